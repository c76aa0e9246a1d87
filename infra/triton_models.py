"""Which model versions a running Triton answers for. Called by `up` and `status`."""

from contextlib import closing
from typing import NamedTuple

from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

_ANSWER_S = 10.0
"""For one question, on a machine whose cores are busy; where nobody listens, it is told at once."""
_CHANNEL = [("grpc.enable_http_proxy", 0)]
"""A proxy that the environment names is for other machines."""


class Loaded(NamedTuple):
    """What one Triton says of itself; `versions` are those of the model that are ready."""

    is_ready: bool
    versions: tuple[str, ...] = ()


def loaded(url: str, model: str) -> Loaded:
    """Nobody there is an answer too: not ready."""
    with closing(triton.InferenceServerClient(url, channel_args=_CHANNEL)) as client:
        try:
            # 'Ready' would be false for ever once a version was refused, though the others answer.
            if not client.is_server_live(client_timeout=_ANSWER_S):
                return Loaded(is_ready=False)
            index = client.get_model_repository_index(client_timeout=_ANSWER_S)
            known = (entry.version for entry in index.models if entry.name == model)
            # The index tells of the last load of a version, the old one may answer all the same.
            found = [
                version
                for version in known
                if version and client.is_model_ready(model, version, client_timeout=_ANSWER_S)
            ]
        except InferenceServerException:
            return Loaded(is_ready=False)
    return Loaded(is_ready=True, versions=tuple(sorted(found, key=int)))

"""Which model versions a running Triton answers for. Called by `up` and `status`."""

from contextlib import closing
from typing import NamedTuple

from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

_ANSWER_S = 3.0
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
            if not client.is_server_ready(client_timeout=_ANSWER_S):
                return Loaded(is_ready=False)
            index = client.get_model_repository_index(client_timeout=_ANSWER_S)
        except InferenceServerException:
            return Loaded(is_ready=False)
    found = [
        entry.version for entry in index.models if entry.name == model and entry.state == "READY"
    ]
    return Loaded(is_ready=True, versions=tuple(sorted(found, key=int)))

"""Tells Triton which versions to serve, and proves from outside that it serves them rightly."""

from collections.abc import Collection
from pathlib import Path

from google.protobuf import json_format, text_format  # type: ignore[import-untyped]
from tritonclient import grpc as triton
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from inference.errors import ServingError
from inference.models.answer import OUTPUTS, Tensors
from inference.releases.golden import check_answers
from inference.repository import CONFIG
from schemas.releases import GOLDEN
from schemas.serving import MODEL

LOAD_DEADLINE_S = 180.0
"""A model's process imports torch, which takes up to 20 s on busy cores, one after another."""
CHANNEL = [("grpc.enable_http_proxy", 0)]
"""A proxy that the environment names is for the world outside."""
ANSWER_DEADLINE_S = 30.0
"""For golden requests. The first ones of a process are slow."""


def load(
    triton_url: str, versions: Collection[str], *, model: str = MODEL, config: Path = CONFIG
) -> None:
    """Triton serves exactly these installed versions afterwards. Where one does not load (each
    checks its golden outputs), those served before go on; one that is not installed is passed
    over by Triton and so found here. Raises ServingError.
    """
    told = text_format.Parse(config.read_text(), model_config_pb2.ModelConfig())
    told.name = model
    told.version_policy.specific.versions.extend(sorted(int(version) for version in versions))
    with triton.InferenceServerClient(triton_url, channel_args=CHANNEL) as client:
        try:
            client.load_model(
                model, config=json_format.MessageToJson(told), client_timeout=LOAD_DEADLINE_S
            )
            missing = [v for v in versions if not client.is_model_ready(model, v)]
        except InferenceServerException as error:
            raise ServingError(f"Triton at {triton_url} did not load {model}: {error}") from None
    if missing:
        raise ServingError(f"Triton at {triton_url} does not serve {model} {', '.join(missing)}")


def check_golden(
    triton_url: str, release_folder: Path, version: str, *, model: str = MODEL
) -> None:
    """Asks this version of a running Triton for the golden outputs of the release. Raises
    GoldenError, or ServingError where Triton does not answer.
    """
    with triton.InferenceServerClient(triton_url, channel_args=CHANNEL) as client:

        def ask(request: Tensors) -> Tensors:
            return infer(client, request, version, model=model)

        check_answers(release_folder / GOLDEN, ask, f"{model} {version} at {triton_url}")


def infer(
    client: triton.InferenceServerClient,
    request: Tensors,
    version: str,
    *,
    model: str = MODEL,
    wanted: Collection[str] = tuple(OUTPUTS),
) -> Tensors:
    """One request to a pinned version: unpinned ones go wherever the highest version is. `wanted`
    are the outputs that are asked for. Raises ServingError.
    """
    inputs = []
    for name, table in request.items():
        inputs.append(triton.InferInput(name, table.shape, np_to_triton_dtype(table.dtype)))
        inputs[-1].set_data_from_numpy(table)
    try:
        result = client.infer(
            model,
            inputs,
            model_version=version,
            outputs=[triton.InferRequestedOutput(name) for name in wanted],
            client_timeout=ANSWER_DEADLINE_S,
        )
    except InferenceServerException as error:
        raise ServingError(f"{model} {version} did not answer: {error}") from None
    answers = {name: result.as_numpy(name) for name in wanted}
    return {name: table for name, table in answers.items() if table is not None}

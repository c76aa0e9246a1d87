"""The encoder of a release in Triton: installed beside the recommender, loaded, proved there.

Texts of items that come after the release are encoded by this; without it such items only wait for
the next release. A release without a text space has no encoder, and nothing here does anything.
Called by `infra.releases`, after the recommender of the same version was installed and proved.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from inference.errors import ServingError
from inference.folders import locked, write_file
from inference.models.text_file import check_vectors, load_said
from inference.releases.serving import ANSWER_DEADLINE_S, CHANNEL, load
from inference.repository import ENCODER_CODE, ENCODER_CONFIG
from schemas.releases import TEXT
from schemas.serving import ENCODER, MODEL, VECTOR
from schemas.serving import TEXT as INPUT


def with_text(model_repository: Path, versions: Collection[str]) -> list[str]:
    """Those of the installed versions that have a text space."""
    return [one for one in versions if (model_repository / MODEL / one / TEXT).is_file()]


def install_encoder(model_repository: Path, version: str) -> None:
    """Of a version that is installed."""
    if not with_text(model_repository, [version]):
        return
    model = model_repository / ENCODER
    with locked(model):
        (model / version).mkdir(exist_ok=True)
        write_file(model / version / ENCODER_CODE.name, ENCODER_CODE.read_bytes())
        write_file(model / ENCODER_CONFIG.name, ENCODER_CONFIG.read_bytes())


def load_encoders(triton_url: str, model_repository: Path, versions: Collection[str]) -> None:
    """Triton serves the encoders of exactly these versions afterwards. Raises ServingError."""
    wanted = with_text(model_repository, versions)
    if wanted:
        load(triton_url, wanted, model=ENCODER, config=ENCODER_CONFIG)


def check_encoder(triton_url: str, model_repository: Path, version: str) -> None:
    """Asks it for the golden vectors of the release. Raises GoldenError and ServingError."""
    if not with_text(model_repository, [version]):
        return
    path = model_repository / MODEL / version / TEXT
    said = load_said(path)
    with triton.InferenceServerClient(triton_url, channel_args=CHANNEL) as client:
        found = encode(client, said.texts, version)
    check_vectors(path, said.vectors, found, f"{ENCODER} {version} at {triton_url}")


def encode(
    client: triton.InferenceServerClient, texts: Sequence[str], version: str
) -> NDArray[np.float32]:
    """(texts, dim), at most MAX_TEXTS at once. Raises ServingError."""
    table = np.array([[text.encode()] for text in texts], np.object_)  # (texts, 1)
    tensor = triton.InferInput(INPUT, table.shape, "BYTES")
    tensor.set_data_from_numpy(table)
    try:
        result = client.infer(
            ENCODER, [tensor], model_version=version, client_timeout=ANSWER_DEADLINE_S
        )
    except InferenceServerException as error:
        raise ServingError(f"{ENCODER} {version} did not answer: {error}") from None
    found: NDArray[np.float32] | None = result.as_numpy(VECTOR)
    if found is None:
        raise ServingError(f"{ENCODER} {version} answered without {VECTOR}")
    return found

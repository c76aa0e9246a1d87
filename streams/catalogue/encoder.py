"""Asks Triton's `encoder` where texts lie. Called by the catalogue stage; nobody waits for it.

Servers are tried in turn, from the one that answered last. Status OK proves nothing here either: a
vector that is not of finite numbers, or of another width than the release says, is refused.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from schemas.serving import ENCODER, TEXT, VECTOR
from streams.scoring.transport import CHANNEL_ARGS

DEADLINE_S = 10.0
"""For one request to one server: 32 long texts through a BERT on a core that others use too."""


class EncoderError(Exception):
    """No server encoded the texts. Trying again may help: it is loaded with its release."""


class Encoder:
    """`endpoints` are host:port of gRPC. Made and used in one event loop."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._endpoints = list(endpoints)
        self._clients: dict[str, InferenceServerClient] = {}

    async def encode(self, texts: Sequence[str], version: str, dim: int) -> NDArray[np.float32]:
        """(texts, dim), at most MAX_TEXTS of them. Raises EncoderError."""
        said = []
        for endpoint in list(self._endpoints):
            try:
                found = await self._ask(endpoint, texts, version)
            except InferenceServerException as error:
                said.append(f"{endpoint}: {error}")
                self._endpoints.append(self._endpoints.pop(0))
                continue
            if found is not None and found.shape == (len(texts), dim) and np.isfinite(found).all():
                return found
            said.append(f"{endpoint}: {VECTOR} is not {len(texts)} times {dim} finite numbers")
        raise EncoderError(f"{ENCODER} {version} encodes no text: {'; '.join(said)}")

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    async def _ask(
        self, endpoint: str, texts: Sequence[str], version: str
    ) -> NDArray[np.float32] | None:
        client = self._clients.get(endpoint)
        if client is None:
            client = InferenceServerClient(endpoint, channel_args=CHANNEL_ARGS)
            self._clients[endpoint] = client
        table = np.array([[text.encode()] for text in texts], np.object_)  # (texts, 1)
        tensor = InferInput(TEXT, list(table.shape), "BYTES")
        tensor.set_data_from_numpy(table)
        result = await client.infer(
            ENCODER, [tensor], model_version=version, client_timeout=DEADLINE_S
        )
        found: NDArray[np.float32] | None = result.as_numpy(VECTOR)
        return found

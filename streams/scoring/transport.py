"""One request to one Triton over gRPC; every policy is elsewhere. Called by `asking`.

Made and used in one event loop. Cancelling a request cancels it at the server too.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from schemas.serving import USER_VECTOR
from streams.scoring.answers import OUTPUTS, GarbageError, read_answer
from streams.scoring.candidates import Scored, Wanted
from streams.scoring.encode import Tensors

CHANNEL_ARGS = [
    # gRPC's own backoff grows to two minutes; a server that is back should be used at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.min_reconnect_backoff_ms", 1000),  # also how long one attempt to connect may take
    # A proxy that the environment names is for the way out, not for Triton.
    ("grpc.enable_http_proxy", 0),
    # With these the kernel gives up on a silent connection after 2 s instead of minutes.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.use_local_subchannel_pool", 1),  # nobody else's backoff
]
_RAN_OUT = "StatusCode.DEADLINE_EXCEEDED"

Answer = list[Scored]
"""One of each user; none is a failure."""
_OUTPUTS = [InferRequestedOutput(name) for name in OUTPUTS]
_WITH_VECTOR = [*_OUTPUTS, InferRequestedOutput(USER_VECTOR)]


class Request(NamedTuple):
    """Up to MAX_USERS users. `is_late`: nobody waits for it any more."""

    wanted: Sequence[Wanted]
    tensors: Tensors
    version: str
    is_late: bool = False


class RefusedError(Exception):
    """No server, or no answer that can be used; `outcome` is unavailable or garbage."""

    def __init__(self, outcome: str, sentence: str) -> None:
        super().__init__(sentence)
        self.outcome = outcome


class RanOutError(Exception):
    """No answer within the time that it had."""


class Transport:
    """A channel for each endpoint (host:port), made when it is first used."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._clients: dict[str, InferenceServerClient] = {}

    async def send(self, endpoint: str, request: Request, left_s: float) -> Answer:
        """Raises RefusedError and RanOutError."""
        client = self._clients.get(endpoint)
        if client is None:
            client = InferenceServerClient(endpoint, channel_args=CHANNEL_ARGS)
            self._clients[endpoint] = client
        try:
            result = await client.infer(
                self._model,
                inputs(request.tensors),
                model_version=request.version,
                outputs=_WITH_VECTOR if any(u.with_vector for u in request.wanted) else _OUTPUTS,
                client_timeout=left_s,
                timeout=int(left_s * 1_000_000),  # us; what waited longer in its queue it drops
            )
            return read_answer(
                result, self._model, request.version, request.wanted, request.tensors
            )
        except GarbageError as error:
            raise RefusedError("garbage", f"an answer was refused: {error}") from error
        except InferenceServerException as error:
            if error.status() == _RAN_OUT:
                raise RanOutError from error
            raise RefusedError("unavailable", str(error)) from error

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()
        self._clients.clear()


def inputs(tensors: Tensors) -> list[InferInput]:
    described = []
    for name, tensor in tensors.items():
        described.append(InferInput(name, list(tensor.shape), np_to_triton_dtype(tensor.dtype)))
        described[-1].set_data_from_numpy(tensor)
    return described

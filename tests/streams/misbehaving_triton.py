"""A server that speaks Triton's protocol and does what a healthy Triton never would.

Slowness and garbage cannot be asked of the real one. What a healthy server answers is tested on
the real Triton, in tests/servers.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype

from schemas.serving import BECAUSE, EXCLUDE, HISTORY_ITEMS, ITEMS, SCORES, SOURCE_CODES, K

Answer = dict[str, np.ndarray]
Misbehave = Callable[[Answer], Answer | Awaitable[Answer]]

_DTYPES = {"UINT64": np.uint64, "UINT8": np.uint8, "UINT16": np.uint16, "INT64": np.int64,
           "INT32": np.int32}  # fmt: skip
FIRST_ITEM = 1_000


def plausible(request: Any) -> Answer:
    """An answer that fits the request: items from FIRST_ITEM on, because of the newest one."""
    sent = {
        described.name: np.frombuffer(raw, _DTYPES[described.datatype]).reshape(described.shape)
        for described, raw in zip(request.inputs, request.raw_input_contents, strict=True)
    }
    users, most = len(sent[K]), int(sent[K].max())
    items = np.zeros((users, most), np.uint64)
    for row in range(users):
        excluded = set(sent[EXCLUDE][row].tolist())
        allowed = [n for n in range(FIRST_ITEM, FIRST_ITEM + 500) if n not in excluded]
        items[row] = allowed[:most]
    return {
        ITEMS: items,
        SCORES: np.tile(np.linspace(1, 0, most, dtype=np.float32), (users, 1)),
        SOURCE_CODES: np.full((users, most), 2, np.uint8),
        BECAUSE: np.repeat(sent[HISTORY_ITEMS][:, :1], most, axis=1),
    }


class MisbehavingTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """`misbehave` changes a plausible answer, or takes its time, or raises."""

    def __init__(self, misbehave: Misbehave = lambda answer: answer) -> None:
        self.misbehave = misbehave
        self.version: str | None = None
        self.requests: list[Any] = []
        self.port = 0

    async def ModelInfer(self, request: Any, _context: Any) -> Any:  # noqa: N802 - so named by gRPC
        self.requests.append(request)
        answer = self.misbehave(plausible(request))
        if not isinstance(answer, dict):
            answer = await answer
        response = service_pb2.ModelInferResponse(
            model_name=request.model_name, model_version=self.version or request.model_version
        )
        for name, tensor in answer.items():
            described = response.outputs.add()
            described.name = name
            described.datatype = np_to_triton_dtype(tensor.dtype)
            described.shape.extend(tensor.shape)
            response.raw_output_contents.append(tensor.tobytes())
        return response

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its endpoint; the same one when it serves again."""
        server = grpc.aio.server()
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, server)
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        await server.start()
        try:
            yield f"127.0.0.1:{self.port}"
        finally:
            await server.stop(grace=None)

    @contextmanager
    def serving_in_a_thread(self) -> Iterator[str]:
        """Its endpoint, for tests without a loop of their own."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        def run(step: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(step, loop).result(60)

        serving = self.serving()
        try:
            yield run(serving.__aenter__())
        finally:
            run(serving.__aexit__(None, None, None))
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

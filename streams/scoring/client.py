"""Asks Triton for candidates: up to 32 users a request, requests overlapped, one deadline a call.

Called by the recommend stage: `score` for those who wait for their slate, `score_late` for those
who do not any more. Whatever Triton does, both return in time and say for each user what came of
it; they never raise for a server. A server that was away is asked again by itself.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from itertools import chain

from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from schemas.serving import MAX_USERS, MODEL
from streams import metrics
from streams.scoring.answers import GarbageError, read_answer
from streams.scoring.candidates import Candidate, Failure, Scored, Wanted
from streams.scoring.circuit import Circuit
from streams.scoring.encode import Tensors, encode

log = logging.getLogger(__name__)

IN_FLIGHT = 8
"""Requests at once, all calls together: keeps a few servers busy without filling their queues."""
LATE_IN_FLIGHT = 2
"""Of them, for users nobody waits for: one is computed while the next is on its way, and whoever
does wait has no more than these before him in Triton's queue.
"""

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


class _Server:
    """One endpoint: its channel and its circuit."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.client = InferenceServerClient(endpoint, channel_args=CHANNEL_ARGS)
        self.circuit = Circuit()
        self.last_failure = ""

    def failed(self, sentence: str) -> None:
        """Says each new failure once; a dead server fails every second."""
        if sentence != self.last_failure:
            log.warning("triton %s: %s", self.endpoint, sentence)
        self.last_failure = sentence


class Scorer:
    """`endpoints` are host:port of gRPC. Made and used in one event loop."""

    def __init__(
        self, endpoints: Sequence[str], model: str = MODEL, in_flight: int = IN_FLIGHT
    ) -> None:
        if not endpoints:
            raise ValueError("TIDEMILL_TRITON names no endpoint")
        self._endpoints = tuple(endpoints)
        self._servers: list[_Server] = []
        self._model = model
        self._slots = asyncio.Semaphore(in_flight)
        self._late_slots = asyncio.Semaphore(LATE_IN_FLIGHT)
        self._turn = 0

    @property
    def is_away(self) -> bool:
        """Whether a request would not even be sent now, not as a probe either."""
        now_s = time.monotonic()
        return bool(self._servers) and all(
            server.circuit.shuts_out(now_s) for server in self._servers
        )

    @property
    def is_failing(self) -> bool:
        """Whether no server answers, as far as is known; one may be asked as a probe."""
        return bool(self._servers) and all(server.circuit.open for server in self._servers)

    def expects(self, deadline_ms: float) -> bool:
        """Whether some server may well answer within `deadline_ms`."""
        return not self._servers or any(
            server.circuit.expects(deadline_ms) for server in self._servers
        )

    async def score(
        self, wanted: Sequence[Wanted], version: str, deadline_ms: float
    ) -> list[Scored]:
        """What came of each user, in the order given. Returns after `deadline_ms` at the latest.

        All users are scored by `version` of the model and by no other.
        """
        if deadline_ms <= 0:
            return [Scored([], "deadline")] * len(wanted)
        ends_at_s = time.monotonic() + deadline_ms / 1000
        answers = await asyncio.gather(
            *(self._score_request(users, version, ends_at_s) for users in _requests(wanted))
        )
        return list(chain.from_iterable(answers))

    async def score_late(
        self, wanted: Sequence[Wanted], version: str, begin_ms: float, request_ms: float
    ) -> list[Scored]:
        """The same for users nobody waits for: the requests that can begin within `begin_ms`, each
        given `request_ms`. It is never held against Triton that more were wanted of it than it can
        do in that time: whose request did not begin has the failure "deadline".
        """
        begin_by_s = time.monotonic() + begin_ms / 1000
        answers = await asyncio.gather(
            *(
                self._score_late_request(users, version, begin_by_s, request_ms)
                for users in _requests(wanted)
            )
        )
        return list(chain.from_iterable(answers))

    async def close(self) -> None:
        for server in self._servers:
            await server.client.close()
        self._servers.clear()

    async def _score_late_request(
        self, wanted: Sequence[Wanted], version: str, begin_by_s: float, request_ms: float
    ) -> list[Scored]:
        try:
            async with asyncio.timeout(begin_by_s - time.monotonic()):
                await self._late_slots.acquire()
        except TimeoutError:
            return [Scored([], "deadline")] * len(wanted)
        try:
            ends_at_s = time.monotonic() + request_ms / 1000
            return await self._score_request(wanted, version, ends_at_s)
        finally:
            self._late_slots.release()

    async def _score_request(
        self, wanted: Sequence[Wanted], version: str, ends_at_s: float
    ) -> list[Scored]:
        try:
            async with asyncio.timeout(ends_at_s - time.monotonic()):
                async with self._slots:
                    answer = await self._ask_in_turn(wanted, version, ends_at_s)
        except TimeoutError:
            answer = "deadline"
        if isinstance(answer, str):
            return [Scored([], answer)] * len(wanted)
        return [Scored(candidates) for candidates in answer]

    async def _ask_in_turn(
        self, wanted: Sequence[Wanted], version: str, ends_at_s: float
    ) -> list[list[Candidate]] | Failure:
        """The first server in turn that answers; a dead one passes its users on to the next."""
        tensors = encode(wanted)
        for server in self._in_turn():
            now_s = time.monotonic()
            if not server.circuit.lets_through(now_s, (ends_at_s - now_s) * 1000):
                continue
            answer = await self._ask(server, wanted, tensors, version, ends_at_s)
            if answer != "unavailable":
                return answer
        return "unavailable"

    def _in_turn(self) -> list[_Server]:
        # Channels belong to the loop that is running when they are made.
        if not self._servers:
            self._servers = [_Server(endpoint) for endpoint in self._endpoints]
        self._turn = (self._turn + 1) % len(self._servers)
        return self._servers[self._turn :] + self._servers[: self._turn]

    async def _ask(
        self,
        server: _Server,
        wanted: Sequence[Wanted],
        tensors: Tensors,
        version: str,
        ends_at_s: float,
    ) -> list[list[Candidate]] | Failure:
        """One request to one server, its circuit told and its time measured."""
        began_s = time.monotonic()
        left_s = ends_at_s - began_s
        metrics.SCORED_USERS.observe(len(wanted))
        outcome = "cancelled"
        try:
            result = await server.client.infer(
                self._model,
                _inputs(tensors),
                model_version=version,
                client_timeout=left_s,
                timeout=int(left_s * 1_000_000),  # us; what waited longer in its queue it drops
            )
            answer = read_answer(result, self._model, version, wanted, tensors)
        except GarbageError as error:
            outcome = "garbage"
            server.circuit.refused(time.monotonic())
            server.failed(f"an answer was refused: {error}")
            return "unavailable"
        except InferenceServerException as error:
            if _stood_still(began_s, left_s):
                outcome = "deadline"
                return "deadline"
            if error.status() == _RAN_OUT:
                outcome = "deadline"
                server.circuit.ran_out(time.monotonic(), left_s * 1000)
                return "deadline"
            outcome = "unavailable"
            server.circuit.refused(time.monotonic())
            server.failed(str(error))
            return "unavailable"
        except asyncio.CancelledError:
            # The deadline of the call, a moment before gRPC's own; or the worker stops.
            if time.monotonic() >= ends_at_s:
                outcome = "deadline"
                if not _stood_still(began_s, left_s):
                    server.circuit.ran_out(time.monotonic(), left_s * 1000)
            raise
        else:
            outcome = "ok"
            server.circuit.succeeded()
            server.last_failure = ""
            return answer
        finally:
            metrics.SCORING_SECONDS.labels(outcome).observe(time.monotonic() - began_s)


def _requests(wanted: Sequence[Wanted]) -> list[Sequence[Wanted]]:
    return [wanted[at : at + MAX_USERS] for at in range(0, len(wanted), MAX_USERS)]


def _stood_still(began_s: float, left_s: float) -> bool:
    """Whether this process itself did not run for a while (stopped, swapped out): then what became
    of a request says nothing about its server.
    """
    return time.monotonic() - began_s > 2 * left_s


def _inputs(tensors: Tensors) -> list[InferInput]:
    inputs = []
    for name, tensor in tensors.items():
        described = InferInput(name, list(tensor.shape), np_to_triton_dtype(tensor.dtype))
        described.set_data_from_numpy(tensor)
        inputs.append(described)
    return inputs

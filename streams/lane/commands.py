"""Calls that a client's own thread makes for the others.

A confluent_kafka consumer may be called by one thread only: while it polls, a call from another
waits, perhaps for ever. So each thread that owns a consumer has a queue of these.
"""

import queue
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import Consumer, KafkaException

Call = Callable[[Consumer], Any]


class Commands:
    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Call, Future[Any]]] = queue.SimpleQueue()
        self._ended = False

    def ask(self, call: Call) -> "Future[Any]":
        """From any thread. Cancelled if the owner has ended."""
        done: Future[Any] = Future()
        self._queue.put((call, done))
        if self._ended:
            self.end()
        return done

    def obey(self, consumer: Consumer, wait_s: float = 0.0) -> None:
        """In the owner's thread: what was asked, waiting so long for the first."""
        while True:
            try:
                call, done = self._queue.get(timeout=wait_s) if wait_s else self._queue.get_nowait()
            except queue.Empty:
                return
            wait_s = 0.0
            try:
                done.set_result(call(consumer))
            except KafkaException as error:
                done.set_exception(error)

    def end(self) -> None:
        """In the owner's thread, last: nobody may wait for a thread that is gone."""
        self._ended = True
        while not self._queue.empty():
            self._queue.get()[1].cancel()

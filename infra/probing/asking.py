"""Ask another prober what it sees; one that does not answer in time has said nothing."""

import time
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from http.client import HTTPException

import msgspec

from infra.probing.report import Answer, Report, sample
from infra.probing.seen import Sample, newest

_ANSWER_S = 1.0
"""What it says must be fresh; it answers from memory."""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy that the environment names is for other machines."""


def ask(address: str) -> Answer | None:
    """What the prober at host:port tells now; None where it does not."""
    asked_s = time.monotonic()
    with (
        suppress(OSError, HTTPException, ValueError, msgspec.MsgspecError),
        _DIRECT.open(f"http://{address}/seen", timeout=_ANSWER_S) as answer,
    ):
        report = msgspec.json.decode(answer.read(), type=Report)
        return Answer(asked_s, time.monotonic(), report)
    return None


def newest_sample(addresses: Iterable[str], region: str) -> Sample | None:
    """Of all these probers, the latest that one has of a region; None where none answers."""
    answers = (ask(address) for address in addresses)
    return newest(sample(answer, region) for answer in answers if answer is not None)

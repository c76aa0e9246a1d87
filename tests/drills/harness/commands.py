"""The real commands by which an origin changes hands, as a person in a region calls them."""

import json
import time
from typing import Any

from tests.drills.harness.region import Region
from tests.drills.harness.waiting import NotInTimeError

_AGAIN_S = 0.5


class RefusedError(AssertionError):
    """The command said no."""


def region_command(region: Region, *arguments: str) -> Any:
    """`tidemill region ... --json`; its document. Raises RefusedError."""
    answer = region.command("region", *arguments, "--json")
    if answer.returncode != 0:
        raise RefusedError(f"{' '.join(arguments)}: {answer.stderr.strip() or answer.stdout}")
    return json.loads(answer.stdout)


def until_done(region: Region, *arguments: str, deadline_s: float = 300.0) -> tuple[Any, list[str]]:
    """Call it until it is not refused; its document, and the refusals before."""
    refusals: list[str] = []
    ends = time.monotonic() + deadline_s
    while True:
        try:
            return region_command(region, *arguments), refusals
        except RefusedError as error:
            if str(error) not in refusals:
                refusals.append(str(error))
            if time.monotonic() > ends:
                raise NotInTimeError(f"refused for {deadline_s:.0f} s: {error}") from error
        time.sleep(_AGAIN_S)

"""The settings of a command: where this region's servers are, and what else the environment says.

What TIDEMILL_* names wins; what it does not name is where `tidemill up` started it. Where several
regions run here, TIDEMILL_REGION says which of them is meant, and otherwise the first.
"""

from infra.local import servers
from infra.local.problems import LocalError
from infra.local.settings import LocalSettings
from infra.regions import Region, asked_for, running
from infra.starting import with_endpoints
from streams.settings import Settings


def local_settings() -> LocalSettings:
    """Of this machine. Raises pydantic's ValidationError, which the command tells in one line."""
    return LocalSettings()


def region(name: str | None = None) -> Region:
    """The one that is meant, with its own home; `name`: the one of that name. Raises
    ValidationError, LocalError.
    """
    local, given = LocalSettings(), Settings()
    if name is not None and running(local):
        given = given.model_copy(update={"region": name})
        given.model_fields_set.add("region")
    elif name is not None and given.region != name:
        raise LocalError(f"TIDEMILL_REGION says {given.region}, and the command is for {name}")
    found = asked_for(local, given)
    return Region(local, given) if found is None else found


def region_settings(meant: Region | None = None) -> Settings:
    """With its servers. Raises pydantic's ValidationError, LocalError."""
    meant = meant or region()
    given = meant.settings
    found = servers.endpoints(meant.local)
    if found is None:
        return given
    named = {name: getattr(given, name) for name in given.model_fields_set}
    return with_endpoints(given, found).model_copy(update=named)

"""The settings of a command: where this region's servers are, and what else the environment says.

What TIDEMILL_* names wins; what it does not name is where `tidemill up` started it. Where several
regions run here, TIDEMILL_REGION says which of them is meant, and otherwise the first.
"""

from infra.local import servers
from infra.local.settings import LocalSettings
from infra.regions import Region, asked_for
from infra.starting import with_endpoints
from streams.settings import Settings


def local_settings() -> LocalSettings:
    """Of this machine. Raises pydantic's ValidationError, which the command tells in one line."""
    return LocalSettings()


def region() -> Region:
    """The one that is meant, with its own home. Raises ValidationError, LocalError."""
    local, given = LocalSettings(), Settings()
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

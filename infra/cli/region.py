"""The settings of a command: where this region's servers are, and what else the environment says.

What TIDEMILL_* names wins; what it does not name is where `tidemill up` started it.
"""

from infra.local import servers
from infra.local.settings import LocalSettings
from infra.starting import with_endpoints
from streams.settings import Settings


def local_settings() -> LocalSettings:
    """Raises pydantic's ValidationError, which the command tells in one line."""
    return LocalSettings()


def region_settings(local: LocalSettings | None = None) -> Settings:
    """Raises pydantic's ValidationError, which the command tells in one line."""
    given = Settings()
    found = servers.endpoints(local or LocalSettings())
    if found is None:
        return given
    named = {name: getattr(given, name) for name in given.model_fields_set}
    return with_endpoints(given, found).model_copy(update=named)

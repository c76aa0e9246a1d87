"""The settings of backups; each is TIDEMILL_<NAME>. How a store is reached (endpoints, accounts)
is fsspec's business: its own configuration files and FSSPEC_* variables say it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from infra.backup.problems import BackupError


class BackupSettings(BaseSettings):
    """Read from the environment once, when a command starts."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True, extra="ignore")

    backup_key_file: Path | None = Field(
        default=None,
        description="64 hex digits in a file (openssl rand -hex 32): backups are encrypted with"
        " it, and without it cannot be read again; not given: they are not",
    )
    clickhouse_disk: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="ClickHouse's data folder as this machine sees it, of several in the order of"
        " TIDEMILL_CLICKHOUSE: its tables are then saved by FREEZE or BACKUP; not given: by SELECT,"
        " which works from anywhere and costs the server more",
    )

    @field_validator("clickhouse_disk", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    def disks(self, addresses: Sequence[str]) -> dict[str, Path]:
        """By the address of whose they are. Raises BackupError."""
        if self.clickhouse_disk and len(self.clickhouse_disk) != len(addresses):
            raise BackupError(
                f"TIDEMILL_CLICKHOUSE_DISK names {len(self.clickhouse_disk)} data folders, and"
                f" there are {len(addresses)} ClickHouses: {', '.join(addresses)}"
            )
        return dict(zip(addresses, self.clickhouse_disk, strict=False))

"""The settings of backups; each is TIDEMILL_<NAME>. How a store is reached (endpoints, accounts)
is fsspec's business: its own configuration files and FSSPEC_* variables say it.
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class BackupSettings(BaseSettings):
    """Read from the environment once, when a command starts."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True, extra="ignore")

    backup_key_file: Path | None = Field(
        default=None,
        description="64 hex digits in a file (openssl rand -hex 32): backups are encrypted with"
        " it, and without it cannot be read again; not given: they are not",
    )
    clickhouse_disk: Path | None = Field(
        default=None,
        description="ClickHouse's data folder as this machine sees it: its tables are then saved by"
        " FREEZE or BACKUP; not given: by SELECT, which works from anywhere and costs the server"
        " more",
    )

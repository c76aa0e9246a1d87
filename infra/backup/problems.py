"""What can be wrong with a backup, each in a sentence for a person. Repeating a command is safe."""


class BackupError(Exception):
    """It cannot be made, read or brought back; says which one and why."""


class ArchiveError(BackupError):
    """ClickHouse is away or refuses. What else a backup holds does not need it."""


class DamagedError(BackupError):
    """What lies there is not what was written; names the file and the offset. Another backup of
    the same chain may be whole: `tidemill backup verify` says which.
    """


class KeyFileError(BackupError):
    """It is sealed, and the key that is given does not open it."""

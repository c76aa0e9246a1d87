"""What can go wrong in a benchmark; the command tells it in one line."""

from infra.local.problems import LocalError


class BenchmarkError(LocalError):
    """A benchmark could not be measured. Says of which engine and where its log is."""

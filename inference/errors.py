"""What can go wrong around a model. Every message says what is wrong, where, and what to do.

None of these is worth trying again unchanged, except ServingError and TrainingError.
"""

from pathlib import Path


class InferenceError(Exception):
    """Whatever this package raises on purpose."""


class DataError(InferenceError, ValueError):
    """A data set cannot be used as it is. `line` counts from 1; None where no line is to blame."""

    def __init__(self, what: str, file: Path | None = None, line: int | None = None) -> None:
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(f"{place}{what}")
        self.file = file
        self.line = line


class RequestError(InferenceError, ValueError):
    """A request to the model breaks the shapes or bounds of `schemas.serving`."""


class ReleaseError(InferenceError):
    """A release folder is incomplete, was changed, or contradicts one of the same version."""


class GoldenError(InferenceError):
    """A server answers the golden inputs differently from the model that was released."""


class CheckpointError(InferenceError):
    """A checkpoint is damaged, or belongs to other data, another seed, settings or code."""


class CompressionError(InferenceError, ValueError):
    """A model cannot be made smaller in this way."""


class TrainingError(InferenceError):
    """The processes of a distributed run ended without a model. Its checkpoint can be resumed."""


class ServingError(InferenceError):
    """Triton is not there, or refused. Can be tried again once the server is well."""

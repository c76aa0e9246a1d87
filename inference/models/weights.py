"""A fitted model as one file, model.npz, and back."""

from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from inference import arrays
from inference.errors import ReleaseError
from inference.models.transitions import Transitions, TransitionSettings
from inference.models.vocabulary import Vocabulary, to_hashes

MODEL_FILE = "model.npz"
FORMAT = 1


def encode(model: Transitions) -> bytes:
    """The same model gives the same bytes."""
    return arrays.encode(
        {
            "format": FORMAT,
            "hashes": to_hashes(model.vocabulary.images.cpu().numpy()),  # (items,) by popularity
            "share": model.share.cpu().numpy(),  # (items,)
            "starts": model.starts.cpu().numpy(),  # (items + 1,)
            "successors": model.successors.cpu().numpy().astype(np.int32),  # (entries,)
            "weights": model.weights.cpu().numpy(),  # (entries,)
            **asdict(model.settings),
        }
    )


def load(path: Path) -> Transitions:
    """Raises ReleaseError for a file that is damaged or of another format."""
    found = arrays.read(path)
    if "format" not in found or int(found["format"]) != FORMAT:
        raise ReleaseError(f"{path}: format {found.get('format')} is not known, {FORMAT} is")
    try:
        settings = {field.name: found[field.name].item() for field in fields(TransitionSettings)}
        return Transitions(
            Vocabulary(found["hashes"]),
            torch.from_numpy(found["starts"]),
            torch.from_numpy(found["successors"].astype(np.int64)),
            torch.from_numpy(found["weights"]),
            torch.from_numpy(found["share"]),
            TransitionSettings(**settings),
        )
    except KeyError as error:
        raise ReleaseError(f"{path}: it lacks {error}") from None

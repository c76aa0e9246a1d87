"""A fitted model as one file, model.npz, and back. Loading runs no code from the file."""

import io
from dataclasses import asdict, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from inference.errors import ReleaseError
from inference.models.transitions import Transitions, TransitionSettings
from inference.models.vocabulary import Vocabulary, to_hashes

MODEL_FILE = "model.npz"
FORMAT = 1


def encode(model: Transitions) -> bytes:
    """The same model gives the same bytes."""
    file = io.BytesIO()
    np.savez(
        file,
        format=FORMAT,
        hashes=to_hashes(model.vocabulary.images.cpu().numpy()),  # (items,) most popular first
        share=model.share.cpu().numpy(),  # (items,)
        starts=model.starts.cpu().numpy(),  # (items + 1,)
        successors=model.successors.cpu().numpy().astype(np.int32),  # (entries,)
        weights=model.weights.cpu().numpy(),  # (entries,)
        **asdict(model.settings),
    )
    return file.getvalue()


def load(path: Path) -> Transitions:
    """Raises ReleaseError for a file that is damaged or of another format."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        if int(arrays["format"]) != FORMAT:
            raise ReleaseError(f"{path}: format {arrays['format']} is not known, {FORMAT} is")
        settings = {field.name: arrays[field.name].item() for field in fields(TransitionSettings)}
        return Transitions(
            Vocabulary(arrays["hashes"]),
            torch.from_numpy(arrays["starts"]),
            torch.from_numpy(arrays["successors"].astype(np.int64)),
            torch.from_numpy(arrays["weights"]),
            torch.from_numpy(arrays["share"]),
            TransitionSettings(**settings),
        )
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise ReleaseError(f"{path}: it holds no model: {error}") from error

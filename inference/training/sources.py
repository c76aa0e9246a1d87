"""Fits the sources of the blend that are counted, or nearly so: all but the transformer.

The same log gives the same sources. Called by `blend`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.data.described import texts_of
from inference.data.interactions import Interactions
from inference.errors import DataError
from inference.models.blend import READINGS, Blend
from inference.models.content import ContentSettings, fit_content, tags_of
from inference.models.ease import EaseSettings, fit_ease
from inference.models.fit import by_popularity, fit_transitions
from inference.models.nearest import nearest
from inference.models.sparse import Sparse
from inference.models.text import EncoderName
from inference.models.transitions import TransitionSettings
from inference.training.vectors import fit_vectors

COUNTED = ("popular", "transitions", "ease", "content", "text")
"""The parts that are always there, the last two where items are described; a transformer joins
them.
"""
TEXT_ENCODER: EncoderName = "hashed"
"""Of the source `text`, where nobody chose another; it costs next to nothing, see decision 31."""
TEXT_KEPT = 200
"""Items kept of each, as of content."""


def fit_sources(
    log: Interactions, parts: Sequence[str] = COUNTED, text: EncoderName = TEXT_ENCODER
) -> Blend:
    """Those among `parts`, with even weights; `text` is the encoder of the part of that name.
    Raises DataError.
    """
    log = log.positive()
    known, _ = by_popularity(log)
    transitions = fit_transitions(log, TransitionSettings())
    sources = {}
    if "transitions" in parts:
        sources["transitions"] = Sparse(
            transitions.starts, transitions.successors, transitions.weights
        )
    if "ease" in parts:
        user, place = log.user.astype(np.int64), places_of(log)[log.item]  # (rows,) each
        sources["ease"] = fit_ease(user, place, len(known), EaseSettings())
    if "content" in parts and (log.titles or log.categories):
        tags = [tags_of(log.title(item), log.categories_of(item)) for item in known.tolist()]
        sources["content"] = fit_content(tags, ContentSettings())
    if "text" in parts and any(texts_of(log)):
        _, vectors = fit_vectors(log, known, text)  # (items, dim)
        sources["text"] = nearest(vectors, TEXT_KEPT)
    there = {*sources, "popular"} & {*parts}
    if not there:
        raise DataError(f"{log.name} says nothing of its items, and no other part is left")
    readings = [reading for reading in READINGS if reading.source in there]
    return Blend(transitions.vocabulary, transitions.share, sources, readings)


def places_of(log: Interactions) -> NDArray[np.int64]:
    """(items of the log,) the number of each in a model of the log, -1 for none."""
    known, _ = by_popularity(log)
    place = np.full(len(log.items), -1)
    place[known] = np.arange(len(known))
    return place

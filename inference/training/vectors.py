"""Items as vectors of their text, the encoder's head fitted to what people turned to together.

Called for the blend's text source (`sources`) and for the text space of a release (`space`).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.data.described import texts_of
from inference.data.interactions import Interactions
from inference.models.text import EncoderName, TextEncoder, Texts, load_encoder
from inference.models.threads import one_thread
from inference.training.text import TextSettings, fine_tune


def fit_vectors(
    log: Interactions, known: NDArray[np.int64], name: EncoderName, seed: int = 0
) -> tuple[TextEncoder, Tensor]:
    """`known` are the places in the log of the items wanted; gives their vectors, (items, dim) of
    length 1, or 0 where an item has no text. Only the head learns: what is below stays what its
    package has, and need not be shipped.
    """
    words = texts_of(log)
    encoder = load_encoder(name)
    texts = Texts(encoder, words)
    with one_thread():
        fine_tune(encoder, log, texts, TextSettings(steps=0), seed=seed)
    with torch.no_grad():
        vectors = encoder.directed(texts.pooled(encoder))[texts.of_item][known]  # (items, dim)
    silent = torch.tensor([not words[item] for item in known])  # (items,)
    return encoder, vectors.masked_fill(silent[:, None], 0)

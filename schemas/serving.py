"""What a worker and Triton say to each other: the tensors of `recommender` and `encoder`.

One request to the recommender carries up to 32 users (N). Items are hashes
(`schemas.identifiers.item_hash`), so a worker needs no model's vocabulary; the model leaves out
what it does not know. Absent entries are 0.
"""

from schemas.state import HISTORY_LIMIT

MODEL = "recommender"
MAX_USERS = 32
"""Users a request: Triton's cost a row falls up to here and hardly beyond."""

HISTORY_ITEMS = "HISTORY_ITEMS"  # (N, HISTORY_LIMIT) uint64, newest first
HISTORY_KINDS = "HISTORY_KINDS"  # (N, HISTORY_LIMIT) uint8, codes of schemas.state.HISTORY_KINDS
HISTORY_VALUES = "HISTORY_VALUES"  # (N, HISTORY_LIMIT) uint16, as schemas.state.Interaction
HISTORY_TIMES = "HISTORY_TIMES"  # (N, HISTORY_LIMIT) int64, ms
EXCLUDE = "EXCLUDE"  # (N, E) uint64, items not to return; E >= 1
K = "K"  # (N, 1) int32, items wanted, 1 to MAX_K

ITEMS = "ITEMS"  # (N, max K) uint64, best first; 0 where there is none
SCORES = "SCORES"  # (N, max K) float32
SOURCE_CODES = "SOURCES"  # (N, max K) uint8, places in SOURCES
BECAUSE = "BECAUSE"  # (N, max K) uint64, the item of the history that weighed most; 0 for none
USER_VECTOR = "USER_VECTOR"  # (N, dim) float32 of length 1, or 0 where nothing is known of a user
"""Only for whoever names it among the outputs wanted, and only of a version with a text space."""

MAX_K = 200
SOURCES = ("none", "popular", "transitions", "ease", "transformer", "content", "text")
"""Where a candidate came from; appended to, never reordered."""
HISTORY = HISTORY_LIMIT

ENCODER = "encoder"
"""Texts into the space of the item vectors; it has the versions of the recommender whose release
has such a space, and each is in that release's own.
"""
MAX_TEXTS = 32
"""Texts a request (T)."""
TEXT = "TEXT"  # (T, 1) UTF-8
VECTOR = "VECTOR"  # (T, dim) float32 of length 1

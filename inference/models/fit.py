"""Counts transitions: an interaction log in, a fitted model out. Equal logs, equal models."""

import numpy as np
import torch
from numpy.typing import NDArray

from inference.data.interactions import Interactions
from inference.models.transitions import Transitions, TransitionSettings
from inference.models.vocabulary import Vocabulary, check_distinct


def by_popularity(log: Interactions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The items that occur in the log, most popular first, and how often; ties by hash.

    Ties by hash and not by place, so that the order of a source's rows changes no model.
    """
    counts = np.bincount(log.item, minlength=len(log.items))  # (all items,)
    order = np.lexsort((log.item_hashes, -counts))
    order = order[counts[order] > 0]
    return order, counts[order]


def fit_transitions(log: Interactions, settings: TransitionSettings) -> Transitions:
    """Raises DataError if two items have one hash."""
    log = log.positive()
    known, counts = by_popularity(log)  # (items,) each
    hashes = log.item_hashes[known]
    check_distinct(hashes, [log.items[item] for item in known])
    place = np.full(len(log.items), -1)
    place[known] = np.arange(len(known))

    order, _ = log.by_user
    user, item = log.user[order], place[log.item[order]]  # (rows,) by user and time
    pairs, weights = [], []
    for distance in range(1, settings.reach + 1):
        same = user[distance:] == user[:-distance]
        pairs.append((item[:-distance] * len(known) + item[distance:])[same])
        weights.append(np.full(len(pairs[-1]), 1 / distance))
    pair, entry = np.unique(np.concatenate(pairs), return_inverse=True)  # (entries,)
    weight = np.bincount(entry, np.concatenate(weights), len(pair))  # (entries,)
    source, successor = pair // len(known), pair % len(known)  # (entries,)
    total = np.bincount(source, weight, len(known))  # (items,)
    damped = weight / total[source] ** settings.damping  # (entries,)
    return Transitions(
        Vocabulary(hashes),
        torch.from_numpy(np.searchsorted(source, np.arange(len(known) + 1))),
        torch.from_numpy(successor),
        torch.from_numpy(damped.astype(np.float32)),
        torch.from_numpy(counts),
        settings,
    )

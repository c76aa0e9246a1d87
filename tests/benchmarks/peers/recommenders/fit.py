"""Fits one peer on a split and ranks for those who are asked; in an environment of its own.

    python fit.py MODEL EPOCHS SPLIT.npz RANKED.npz SEED FOLDER

`inference/evaluation/peers.py` says what the two files hold. Imports nothing of ours.
"""

import pickle
import sys
import time
from pathlib import Path

import numpy as np

FACTORS = 64
"""As wide as our own transformer."""
THREADS = 1
"""So that its own time is what it would take alone, whatever else the machine does."""
LENGTH = 100
"""Items of a history that SASRec reads at most, its own default. Shorter ones are padded to it."""
KEPT_EVERY = 5
"""Epochs that are lost at most when it is ended: all of them may take hours."""


def main(
    model: str, epochs: int, split_path: str, ranked_path: str, seed: int, folder: str
) -> None:
    with np.load(split_path) as file:
        split = dict(file)
    if model == "als":
        ranked, seconds = als(split, seed, epochs)
    else:
        ranked, seconds = sasrec(split, seed, epochs, Path(folder))
    np.savez(ranked_path, ranked=ranked.astype(np.int64), seconds=seconds)


def als(split: dict[str, np.ndarray], seed: int, epochs: int) -> tuple[np.ndarray, float]:
    """Alternating least squares (Hu et al., 2008) as implicit does it, with its usual settings."""
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    def table(user: np.ndarray, item: np.ndarray, users: int) -> csr_matrix:
        ones = np.ones(len(user), np.float32)
        found = csr_matrix((ones, (user, item)), shape=(users, int(split["items"])))
        found.data[:] = 1  # somebody who came back to an item turned to it all the same
        return found

    known = table(split["user"], split["item"], int(split["user"].max()) + 1)
    asked = table(split["asked_user"], split["asked_item"], int(split["users"]))
    model = AlternatingLeastSquares(
        factors=FACTORS, iterations=epochs, random_state=seed, num_threads=THREADS
    )
    began = time.process_time()
    model.fit(known, show_progress=False)
    seconds = time.process_time() - began
    ranked, scores = model.recommend(
        np.arange(asked.shape[0]), asked, N=int(split["k"]),
        filter_already_liked_items=bool(split["exclude_seen"]),
        recalculate_user=True,
    )  # fmt: skip
    # What it has no score for it fills up with the lowest number there is.
    return np.where(scores > np.finfo(np.float32).min, ranked, -1), seconds


def sasrec(
    split: dict[str, np.ndarray], seed: int, epochs: int, folder: Path
) -> tuple[np.ndarray, float]:
    """SASRec as RecTools has it: softmax over all items, the newest LENGTH of a history, or fewer
    where 99 of 100 people have no more. Goes on from the newest state of so many epochs or fewer
    in `folder`.
    """
    import logging
    import warnings

    import pandas as pd
    import torch
    from pytorch_lightning import seed_everything
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(THREADS)

    def dataset(user: np.ndarray, item: np.ndarray) -> Dataset:
        order = pd.to_datetime(np.arange(len(user)), unit="s")
        columns = {"user_id": user, "item_id": item, "weight": 1.0, "datetime": order}
        return Dataset.construct(pd.DataFrame(columns))

    fitted = dataset(split["user"], split["item"])
    longest = int(np.quantile(np.unique(split["user"], return_counts=True)[1], 0.99))
    model = SASRecModel(
        n_factors=FACTORS, n_heads=2, epochs=epochs, session_max_len=min(LENGTH, longest),
        deterministic=True,
    )  # fmt: skip
    done, seconds = 0, 0.0
    for path in folder.glob("*.pickle"):
        if done < int(path.stem) <= epochs:
            seconds, model = pickle.loads(path.read_bytes())
            done = int(path.stem)
    while done < epochs:
        began, more = time.process_time(), min(KEPT_EVERY, epochs - done)
        seed_everything(1000 * seed + done)  # so an interruption changes nothing
        model.fit_partial(fitted, min_epochs=more, max_epochs=more)
        done, seconds = done + more, seconds + time.process_time() - began
        path = folder / f"{done}.pickle"
        half = path.with_suffix(".half")
        half.write_bytes(pickle.dumps((seconds, model)))
        half.rename(path)
        (folder / f"{done - more}.pickle").unlink(missing_ok=True)
    asked = dataset(split["asked_user"], split["asked_item"])
    found = model.recommend(
        np.unique(split["asked_user"]), asked, k=int(split["k"]),
        filter_viewed=bool(split["exclude_seen"]),
        on_unsupported_targets="ignore",
    )  # fmt: skip
    ranked = np.full((int(split["users"]), int(split["k"])), -1)
    ranked[found["user_id"], found["rank"] - 1] = found["item_id"]
    return ranked, seconds


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:5], int(sys.argv[5]), sys.argv[6])

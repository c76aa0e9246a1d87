"""The models that ours are judged beside: `fit.py` fits one, in an environment of its own."""

from collections.abc import Callable
from pathlib import Path

from inference.evaluation.peers import Peer
from tests.benchmarks.peers import install

EPOCHS = {"implicit ALS": ("als", 15), "RecTools SASRec": ("sasrec", 60)}
"""Of ALS implicit's own default; of SASRec as many as ours takes at most."""


def peers(
    tools: Path,
    report: Callable[[str], None],
    kept: Path,
    epochs: int | None = None,
    *,
    resume: bool,
) -> dict[str, Peer]:
    """Installs what they need where it is missing. What SASRec has learnt so far stays in `kept`;
    `epochs` is for it alone.
    """
    python = install.recommenders(tools, report)
    program = str(Path(__file__).with_name("fit.py"))
    found = {}
    for name, (model, usual) in EPOCHS.items():
        count = epochs if epochs and model == "sasrec" else usual
        found[name] = Peer((str(python), program, model, str(count)), kept / model, resume)
    return found

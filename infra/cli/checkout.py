"""What only a checkout of the source has: benchmarks, drills and peers, found there when called."""

import importlib
import sys
from pathlib import Path
from typing import Any

from infra.local.problems import LocalError

_CHECKOUT = Path(__file__).resolve().parents[2]


def from_checkout(module: str, what: str) -> Any:
    """The module below tests/, as `benchmarks.engine`. Raises LocalError outside of a checkout."""
    folder = Path("tests", module.partition(".")[0])
    if not (_CHECKOUT / folder / "__init__.py").exists():
        raise LocalError(
            f"{what} are in {folder} of the source, which is not part of the installed package; "
            "run this from a checkout"
        )
    if str(_CHECKOUT) not in sys.path:
        sys.path.insert(0, str(_CHECKOUT))
    return importlib.import_module(f"tests.{module}")

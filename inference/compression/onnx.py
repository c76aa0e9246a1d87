"""The transformer as an ONNX file, and the proof that another runtime answers as torch does.

Needs the extra `export` (onnx, onnxruntime, onnxscript), which no worker and no Triton of ours
does. Read by `inference.compression.tensorrt`, and by whoever serves the model elsewhere.
"""

import logging
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.errors import CompressionError
from inference.folders import write_file
from inference.models.transformer import Transformer

PLACES, TIMES, LOGITS = "PLACES", "TIMES", "LOGITS"
CLOSE = 1e-3
"""Of a logit, beside the largest of its user; the runtimes add in another order."""
_NEEDED = ("onnx", "onnxruntime", "onnxscript")

Asked = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Places and times (ms), (users, length) each: oldest first, padded at the end with -1."""


class Scorer(nn.Module):
    """What is exported: a history in, the logit of every item as the next one out."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, places: Tensor, times: Tensor) -> Tensor:
        """(users, length) each to (users, items)."""
        return self.model.scores(self.model.newest(places, times))


def export(model: Transformer, path: Path) -> None:
    """One file with the weights inside; users are as many as are asked for, the length is the
    model's. Raises CompressionError.
    """
    _check_installed()
    length = model.settings.length
    example = torch.full((2, length), -1)  # (users, length)
    example[:, :2] = 0
    users = torch.export.Dim("users", min=1)
    draft = path.with_name(f".{path.name}.torch")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about its own insides
        torch.onnx.export(
            Scorer(model).cpu().eval(),
            (example, torch.zeros_like(example)),
            draft,
            input_names=[PLACES, TIMES],
            output_names=[LOGITS],
            dynamic_shapes=({0: users}, {0: users}),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    try:
        write_file(path, draft.read_bytes())
    finally:
        draft.unlink(missing_ok=True)


def check(path: Path, model: Transformer, asked: list[Asked]) -> float:
    """The largest difference, of the largest logit of its user. Raises CompressionError for one
    that is not close.
    """
    worst = 0.0
    for places, times in asked:
        with torch.inference_mode():
            logits = Scorer(model)(torch.from_numpy(places), torch.from_numpy(times))
        expected = logits.numpy()  # (users, items)
        size = np.maximum(np.abs(expected).max(1, keepdims=True), 1e-9)  # (users, 1)
        found = answers(path, places, times)  # (users, items)
        worst = max(worst, float((np.abs(found - expected) / size).max()))
    if not worst <= CLOSE:
        raise CompressionError(f"{path}: its answers are {worst:.2g} beside those of torch")
    return worst


def answers(path: Path, places: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of onnxruntime on one core, (users, items). Raises CompressionError."""
    _check_installed()
    import onnxruntime  # noqa: PLC0415 - of an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (logits,) = session.run([LOGITS], {PLACES: places, TIMES: times})
    found: NDArray[np.float32] = logits
    return found


def _check_installed() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise CompressionError(f"{', '.join(missing)} missing: pip install 'tidemill[export]'")

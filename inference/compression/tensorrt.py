"""An ONNX file as a TensorRT plan in Triton's model repository, for machines with an NVIDIA GPU.

    python -m inference.compression.tensorrt model.onnx /path/to/repository

Needs the GPU that will serve it (a plan is made for one kind of GPU and one version of TensorRT)
and `trtexec` of that version, as in NVIDIA's TensorRT and Triton containers; the Triton that this
project installs has no TensorRT backend. Where any of that is missing it says so and ends with 1.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import torch

from inference.compression.onnx import LOGITS, PLACES, TIMES
from inference.errors import CompressionError, InferenceError
from inference.folders import drafted, locked, publish
from schemas.serving import MAX_USERS

NAME = "transformer"
_USUAL_USERS = 32


def config(length: int, items: int) -> str:
    """config.pbtxt of a plan that takes histories of `length` items. The tensors are those of
    `onnx.Scorer`.
    """
    return f"""name: "{NAME}"
platform: "tensorrt_plan"
max_batch_size: {MAX_USERS}
dynamic_batching {{ }}
input [
  {{ name: "{PLACES}" data_type: TYPE_INT64 dims: [ {length} ] }},
  {{ name: "{TIMES}" data_type: TYPE_INT64 dims: [ {length} ] }}
]
output [
  {{ name: "{LOGITS}" data_type: TYPE_FP32 dims: [ {items} ] }}
]
instance_group [ {{ kind: KIND_GPU }} ]
"""


def command(trtexec: str, onnx: Path, plan: Path, length: int) -> list[str]:
    """Half precision where TensorRT finds it good; requests of 1 to MAX_USERS users."""

    def shapes(users: int) -> str:
        return ",".join(f"{name}:{users}x{length}" for name in (PLACES, TIMES))

    return [
        trtexec,
        f"--onnx={onnx}",
        f"--saveEngine={plan}",
        f"--minShapes={shapes(1)}",
        f"--optShapes={shapes(min(_USUAL_USERS, MAX_USERS))}",
        f"--maxShapes={shapes(MAX_USERS)}",
        "--fp16",
        "--skipInference",
    ]


def build(onnx: Path, repository: Path) -> Path:
    """Gives the version's folder, `<repository>/transformer/1`; it appears whole or not at all.
    Raises CompressionError.
    """
    trtexec = shutil.which("trtexec")
    if not torch.cuda.is_available():
        raise CompressionError(
            "there is no NVIDIA GPU here that torch can use, and a TensorRT plan is made on the "
            "GPU that will serve it; nothing was written"
        )
    if trtexec is None:
        raise CompressionError(
            "trtexec is not on PATH; run this in NVIDIA's TensorRT container of the release that "
            "your Triton is of; nothing was written"
        )
    length, items = _shapes(onnx)
    model = repository / NAME
    with locked(model), drafted(model) as draft:
        done = subprocess.run(
            command(trtexec, onnx, draft / "model.plan", length),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise CompressionError(f"{onnx}: trtexec ended with {done.returncode}: {said}")
        (model / "config.pbtxt").write_text(config(length, items), encoding="utf-8")
        if (model / "1").exists():
            shutil.rmtree(model / "1")
        publish(draft, model / "1")
    return model / "1"


def _shapes(path: Path) -> tuple[int, int]:
    """Length of the histories and number of items."""
    import onnx  # noqa: PLC0415 - of an extra

    graph = onnx.load(path, load_external_data=False).graph
    of = {said.name: said.type.tensor_type.shape.dim for said in (*graph.input, *graph.output)}
    return int(of[PLACES][1].dim_value), int(of[LOGITS][1].dim_value)


def main(arguments: list[str]) -> int:
    """0 done, 1 it failed and says why, 2 wrong call."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m inference.compression.tensorrt MODEL.onnx REPOSITORY\n")
        return 2
    try:
        folder = build(Path(arguments[0]), Path(arguments[1]))
    except InferenceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The model as ONNX answers as torch does; the plan for GPUs says where there is none."""

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from inference.compression import onnx, tensorrt
from inference.errors import CompressionError
from inference.models.transformer import Transformer, TransformerSettings
from tests.inference.circles import circle, fit

LENGTH = 8


def asked(users):
    """Histories of real sequences, of all lengths, and one of somebody unknown."""
    batch = next(circle(users=users).batches(LENGTH, users, np.random.default_rng(0)))
    places, times = (
        torch.nn.functional.pad(table, (0, LENGTH - table.shape[1]), value=fill).numpy()
        for table, fill in ((batch.places, -1), (batch.times, 0))
    )
    for user in range(users):
        places[user, user % 6 :] = -1
    return places, times


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    model, _ = fit(epochs=6)
    onnx.export(model, path)
    return model, path


def test_onnx_answers_as_torch_does_for_any_number_of_users(exported):
    model, path = exported
    worst = onnx.check(path, model, [asked(1), asked(7), asked(32)])
    assert worst <= onnx.CLOSE
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]


def test_the_answers_of_another_model_are_told(exported):
    _, path = exported
    torch.manual_seed(9)
    other = Transformer(12, TransformerSettings(dim=16, blocks=1, length=LENGTH)).eval()
    with pytest.raises(CompressionError, match="beside those of torch"):
        onnx.check(path, other, [asked(7)])


def test_shapes_and_config_of_the_plan(exported):
    _, path = exported
    assert tensorrt._shapes(path) == (LENGTH, 12)
    config = text_format.Parse(tensorrt.config(LENGTH, 12), model_config_pb2.ModelConfig())
    assert config.platform == "tensorrt_plan"
    assert [(one.name, list(one.dims)) for one in config.input] == [
        (onnx.PLACES, [LENGTH]),
        (onnx.TIMES, [LENGTH]),
    ]
    assert [(one.name, list(one.dims)) for one in config.output] == [(onnx.LOGITS, [12])]
    words = tensorrt.command("trtexec", path, path.parent / "model.plan", LENGTH)
    assert "--minShapes=PLACES:1x8,TIMES:1x8" in words
    assert "--maxShapes=PLACES:32x8,TIMES:32x8" in words


def test_without_a_gpu_or_trtexec_nothing_is_written(exported, tmp_path, monkeypatch, capsys):
    _, path = exported
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tensorrt.main([str(path), str(tmp_path / "repository")]) == 1
    said = capsys.readouterr().err
    missing = "trtexec is not on PATH" if torch.cuda.is_available() else "there is no NVIDIA GPU"
    assert missing in said
    assert not (tmp_path / "repository").exists()
    assert tensorrt.main([]) == 2

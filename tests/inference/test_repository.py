"""Triton's configuration says the same as the contract."""

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from inference.models.answer import INPUTS, OUTPUTS
from inference.repository import CONFIG
from schemas import serving
from schemas.state import HISTORY_LIMIT

CONFIGURED = text_format.Parse(CONFIG.read_text(), model_config_pb2.ModelConfig())
TYPES = {
    "TYPE_UINT64": "uint64",
    "TYPE_UINT8": "uint8",
    "TYPE_UINT16": "uint16",
    "TYPE_INT64": "int64",
    "TYPE_INT32": "int32",
    "TYPE_FP32": "float32",
}


def typed(tensors):
    names = model_config_pb2.DataType.Name
    return {tensor.name: TYPES[names(tensor.data_type)] for tensor in tensors}


def test_names_and_types():
    assert CONFIGURED.name == serving.MODEL
    assert typed(CONFIGURED.input) == {name: dtype.__name__ for name, dtype in INPUTS.items()}
    assert typed(CONFIGURED.output) == {name: dtype.__name__ for name, dtype in OUTPUTS.items()} | {
        serving.USER_VECTOR: "float32"
    }


def test_shapes():
    lengths = {tensor.name: list(tensor.dims) for tensor in CONFIGURED.input}
    history = {name: [HISTORY_LIMIT] for name in INPUTS if name.startswith("HISTORY")}
    assert lengths == history | {serving.EXCLUDE: [-1], serving.K: [1]}
    assert CONFIGURED.max_batch_size == serving.MAX_USERS


def test_no_queue_policy_and_no_delay():
    # With a policy Triton 2.51 leaves requests in an idle server's queue, up to 500 ms.
    assert not CONFIGURED.dynamic_batching.HasField("default_queue_policy")
    assert CONFIGURED.dynamic_batching.max_queue_delay_microseconds == 0


def test_it_runs_on_a_machine_with_or_without_a_gpu():
    assert not CONFIGURED.instance_group

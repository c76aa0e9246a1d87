# ruff: noqa: INP001 - Triton loads this file by its path
"""What Triton's Python backend runs: the release's model behind the tensors of schemas.serving.

It only carries tensors to `inference.models.answer` and back; the package comes from PYTHONPATH.
A version whose golden outputs do not come out refuses to load, and the version before it goes on.
"""

from pathlib import Path
from typing import Any

import torch
import triton_python_backend_utils as pb_utils

from inference.errors import RequestError
from inference.models.answer import INPUTS, Tensors, answer, merge, split
from inference.models.space import Space
from inference.models.text_file import check_vectors, load_said, load_space
from inference.models.weights import MODEL_FILE, load
from inference.releases.golden import check_answers, read
from schemas.releases import GOLDEN, TEXT
from schemas.serving import USER_VECTOR


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        device = _device(args["model_instance_kind"], args["model_instance_device_id"])
        self.model = load(folder / MODEL_FILE).to(device).eval()
        where = f"{args['model_instance_name']} on {device}"
        check_answers(folder / GOLDEN, self._answer, where)
        self.space: Space | None = None
        if (text := folder / TEXT).exists():
            self.space = load_space(text).to(device)
            golden, _ = read(folder / GOLDEN)
            check_vectors(text, load_said(text).users, self.space.users(golden), where)

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response a request. What nobody waits for any more is not computed; what breaks the
        bounds is refused alone, not with its neighbours.
        """
        responses = [_cancelled() if request.is_cancelled() else None for request in requests]
        waiting = [place for place, response in enumerate(responses) if response is None]
        asked = [_Asked(requests[place]) for place in waiting]
        for place, response in zip(waiting, self._responses(asked), strict=True):
            responses[place] = response
        return responses

    def _responses(self, asked: "list[_Asked]") -> list[Any]:
        if not asked:
            return []
        inputs = [request.inputs for request in asked]
        try:
            answers = split(self._answer(merge(inputs)), inputs)
        except RequestError as error:
            if len(asked) == 1:
                return [_refused(str(error))]
            return [response for request in asked for response in self._responses([request])]
        if self.space is not None:
            for request, tensors in zip(asked, answers, strict=True):
                if request.wants_vector:
                    tensors[USER_VECTOR] = self.space.users(request.inputs)
        return [_response(tensors) for tensors in answers]

    def _answer(self, request: Tensors) -> Tensors:
        # The tensors are small, so more threads only wait for each other: with two on two cores
        # a request of 32 users took ten times as long. Set here because torch keeps this number
        # for each calling thread, and Triton calls initialize and execute in different ones.
        torch.set_num_threads(1)
        return answer(self.model, request)


def _device(kind: str, device_id: str) -> torch.device:
    """The GPU that Triton gave this instance, if torch can use it; the log says which it is."""
    if kind == "GPU" and torch.cuda.is_available():
        device = torch.device(f"cuda:{device_id}")
        pb_utils.Logger.log_info(f"the model runs on {torch.cuda.get_device_name(device)}")
        return device
    if kind == "GPU":
        pb_utils.Logger.log_warn("Triton gave a GPU that torch cannot use; running on the CPU")
    else:
        pb_utils.Logger.log_info("the model runs on the CPU")
    return torch.device("cpu")


class _Asked:
    """What a request brings, and whether it wants the users' vectors beside the answer."""

    def __init__(self, request: Any) -> None:
        self.inputs: Tensors = {
            name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in INPUTS
        }
        self.wants_vector = USER_VECTOR in request.requested_output_names()


def _response(tensors: Tensors) -> Any:
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, table) for name, table in tensors.items()]
    )


def _refused(why: str) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(why))


def _cancelled() -> Any:
    return pb_utils.InferenceResponse(
        error=pb_utils.TritonError("the caller gave up", pb_utils.TritonError.CANCELLED)
    )

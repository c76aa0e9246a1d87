# ruff: noqa: INP001 - Triton loads this file by its path
"""What Triton's Python backend runs for `encoder`: texts into the space of a release's items.

Its files are those of the recommender's same version, which lies beside it in the repository. A
version that does not give its golden vectors refuses to load.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton_python_backend_utils as pb_utils

from inference.models.text_file import check_vectors, load_encoder_of, load_said
from schemas.releases import TEXT
from schemas.serving import MODEL, VECTOR
from schemas.serving import TEXT as INPUT


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        torch.set_num_threads(1)
        path = Path(args["model_repository"]).parent / MODEL / args["model_version"] / TEXT
        self.encoder = load_encoder_of(path)
        said = load_said(path)
        found = self.encoder.encode(said.texts).numpy()  # (texts, dim)
        check_vectors(path, said.vectors, found, args["model_instance_name"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response a request; all their texts are encoded together."""
        torch.set_num_threads(1)  # torch keeps this number for each calling thread
        asked = [pb_utils.get_input_tensor_by_name(request, INPUT) for request in requests]
        texts = [
            [text.decode(errors="replace") for text in tensor.as_numpy()[:, 0]] for tensor in asked
        ]
        vectors = self.encoder.encode([text for of_request in texts for text in of_request]).numpy()
        ends = np.cumsum([len(of_request) for of_request in texts])  # (requests,)
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor(VECTOR, np.ascontiguousarray(part))])
            for part in np.split(vectors, ends[:-1])
        ]

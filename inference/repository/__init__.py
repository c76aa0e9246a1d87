"""What Triton loads, as it lies in a model repository: `recommender/config.pbtxt`, `1/model.py`."""

from pathlib import Path

from schemas.serving import MODEL

CONFIG = Path(__file__).parent / MODEL / "config.pbtxt"
MODEL_CODE = Path(__file__).parent / MODEL / "1" / "model.py"

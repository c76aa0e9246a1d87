"""What Triton loads, as it lies in a model repository: `<model>/config.pbtxt`, `1/<code>.py`."""

from pathlib import Path

from schemas.serving import ENCODER, MODEL

CONFIG = Path(__file__).parent / MODEL / "config.pbtxt"
MODEL_CODE = Path(__file__).parent / MODEL / "1" / "model.py"
ENCODER_CONFIG = Path(__file__).parent / ENCODER / "config.pbtxt"
ENCODER_CODE = Path(__file__).parent / ENCODER / "1" / "encoder.py"

"""Judging models: protocols, metrics and the floors beside them."""

from inference.evaluation.evaluate import Evaluation, evaluate
from inference.evaluation.metrics import Metrics

__all__ = ["Evaluation", "Metrics", "evaluate"]

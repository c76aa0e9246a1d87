"""Fitting models."""

from inference.training.fitted import Fitted
from inference.training.train import train

__all__ = ["Fitted", "train"]

"""Interaction logs: one typed form, and a loader for every source."""

from inference.data.formats import FORMATS, load
from inference.data.interactions import Interactions

__all__ = ["FORMATS", "Interactions", "load"]

"""Two models on the same images: which is better, on what, and whether limits are passed."""

from adapt.comparison.result import Comparison, compare

__all__ = ["Comparison", "compare"]

"""Figures of single results, as their `plot()` returns them."""

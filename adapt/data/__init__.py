"""Labelled images: opening, sources, splits, transforms, synthetic shifts."""

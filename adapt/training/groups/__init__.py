"""Losses that look at groups of images: the worst of them counts."""

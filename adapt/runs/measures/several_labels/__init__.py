"""Scores of a run whose images have several labels."""

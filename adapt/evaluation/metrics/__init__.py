"""Scores, calibration, intervals and robustness, from logits and targets."""

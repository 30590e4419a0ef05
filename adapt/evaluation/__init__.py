"""Scores, intervals, calibration, and the weight-space curve."""

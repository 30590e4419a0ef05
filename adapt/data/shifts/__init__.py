"""Synthetic shifts: corruptions of five severities."""

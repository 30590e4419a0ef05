"""Conformal sets, abstention and out-of-distribution detection."""

"""Arithmetic on state dicts alone: no model, no data."""

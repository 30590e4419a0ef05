"""Formats of tables of predictions, one file each."""

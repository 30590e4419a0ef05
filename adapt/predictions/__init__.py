"""Predictions at volume: from folders, tables, archives and lists of images to tables."""

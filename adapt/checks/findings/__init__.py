"""Findings about images, copies, labels and class names; no file is written here."""

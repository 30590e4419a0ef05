"""Datasets, class balance and transforms for training and evaluation."""

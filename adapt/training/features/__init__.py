"""Pixels, features and logits of whole splits."""

"""Predictions in a stream, with what they say about their own uncertainty."""

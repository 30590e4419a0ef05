"""A model behind HTTP: batches over requests, errors per image, limits, metrics, reload."""

"""Search in embeddings: by texts, by images, by both; and captions ranked for an image."""

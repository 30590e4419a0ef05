"""Methods that learn from images with captions."""

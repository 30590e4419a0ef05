"""Training on images with captions of their own."""

"""Safe opening of image files: formats, colours, limits."""

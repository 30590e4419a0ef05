"""How open_clip is imported, and how its models are built."""

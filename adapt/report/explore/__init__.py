"""Pages of what follows a training, each from the JSON of its command."""

"""Pages of what follows a training, each from the JSON of its command."""

"""Pages of what follows a training, each from the content of a JSON file."""

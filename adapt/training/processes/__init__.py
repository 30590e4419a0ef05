"""Several processes for one run: the first runs the recipe, the others take part in its work."""

"""From a recipe to a run folder, and from finished runs to new models."""

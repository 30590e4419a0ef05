"""A recipe: its sections and rules, read from YAML, and the images that it names."""

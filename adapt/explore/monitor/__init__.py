"""A new place without labels: is it another distribution, and how accurate is the model there."""

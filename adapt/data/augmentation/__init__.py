"""Training augmentation: policies, steps, mixing."""

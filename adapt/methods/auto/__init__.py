"""The method that ranks the others by cross-validation."""

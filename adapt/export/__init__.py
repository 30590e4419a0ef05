"""Other formats of a model, and the proof that they answer as the model does."""

"""Methods that train weights inside the encoders."""

"""Methods that fit a head on features and leave the encoders as they are."""

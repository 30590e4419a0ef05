"""What the exported graph computes around the encoder, in tensors alone."""

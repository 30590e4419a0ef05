"""The one training loop, and what is computed over whole splits."""

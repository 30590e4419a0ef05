"""Pretrained CLIPs, heads, adapters, the `Classifier` and its bundle."""

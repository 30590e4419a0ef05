"""Strategies that choose what to label next, one file each; being in this folder is enough."""

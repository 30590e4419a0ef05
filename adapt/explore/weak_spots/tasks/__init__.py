"""Drawn tasks, one file per task or family; being in this folder is enough."""

"""Rules that choose alpha, one file per rule or family; being in this folder is enough."""

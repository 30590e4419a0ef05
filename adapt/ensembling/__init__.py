"""Weight-space ensembling: the line between two models, rules for alpha, the guard, soups."""

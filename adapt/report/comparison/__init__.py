"""The page and the comment of a comparison of two models, from the content of `diff.json`."""

"""Scores and choices where an image may have several labels, or none.

Everywhere here `logits` and `probabilities` have shape (N, K), and `targets` has shape (N, K): 1
where an image has a class, 0 where not.
"""

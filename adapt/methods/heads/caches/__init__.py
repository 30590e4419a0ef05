"""Heads that keep the support images: a query is compared with each of them."""

"""Embeddings of very many images: planned in parts, computed by engines on one machine or many."""

"""Contrastive pretraining on pairs of images and captions."""

"""Layers that are put into the encoders: split attention, LoRA, projections, prompts."""

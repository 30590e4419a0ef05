"""Names that settings of a model may give."""

TEMPLATE_SETS = ("plain", "simple", "openai")
"""Named sets of prompt templates, the smallest first."""

"""What a run measures: one file per JSON that it writes."""

"""The sentences that a zero-shot head is made of, and how much each of them counts."""

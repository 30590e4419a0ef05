"""Many runs of one recipe: every combination of values, resumable, and compared on val."""

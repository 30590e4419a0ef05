"""The run folder, read back: facts and numbers, no drawing."""

"""The check of labelled images: what is wrong with them, and the list that fixes it."""

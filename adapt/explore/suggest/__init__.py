"""What to label next, and how many more images of which class."""

"""One file for each format; a file that stands here is a format."""

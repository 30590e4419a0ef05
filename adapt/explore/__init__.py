"""What follows a training: search, what to label next, why an answer, weak spots, new places."""

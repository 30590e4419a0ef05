"""What is wrong with labelled images: findings, each with what mends it."""

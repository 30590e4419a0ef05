"""What a trainer is given: checkpoints, loggers, and how it stops."""

"""What can be predicted, one file for each kind of source."""

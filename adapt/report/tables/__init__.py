"""Tables of the report, one file per subject."""

"""The commands: each prints what the API returns and ends with an exit code."""

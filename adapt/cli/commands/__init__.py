"""One file for each command, or few that belong together; the others stand in `adapt.cli.app`."""

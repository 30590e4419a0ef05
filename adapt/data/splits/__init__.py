"""Train, val and test: stratified, grouped, stored; leaks, quarantine, exclusions."""

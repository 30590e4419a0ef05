"""The first page of a report: what a reader must know who reads nothing else."""

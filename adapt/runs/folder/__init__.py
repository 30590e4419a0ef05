"""What a run folder holds, and the ledger of the test sets that were opened."""

"""The ledger: what became of each object version and of each manifest, and the command that tells it to people."""

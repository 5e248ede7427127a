"""The scheduled function that settles what nobody else does, and publishes what no service measures."""

"""Measurements of the project that others can repeat: `make bench`."""

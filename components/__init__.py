"""Reusable components of the pipeline, one a file, with the pure functions that build their documents beside them."""

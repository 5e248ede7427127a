"""One machine that stands in for AWS: its API, Spark clusters and functions, and the engine's providers."""

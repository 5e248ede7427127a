"""One machine that stands in for AWS: its API, its Spark clusters and functions, and the engine's resource providers."""

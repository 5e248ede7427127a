"""Source of the Lambda functions, one package a function; each package's files are the root of its archive."""

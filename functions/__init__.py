"""Source of the Lambda functions, one package a function; archives keep these paths (`components.function_archive`)."""

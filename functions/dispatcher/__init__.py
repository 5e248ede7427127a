"""The dispatcher: events of new objects become manifests and executions."""

"""What builds, runs or checks the project: set-up, the language host, deployment commands."""

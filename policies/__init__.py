"""Policy pack of the pipeline: what a change must never undo, decided from the resources themselves.

The rules live in one module a family (`network`, `emr`, `buckets`, …); `registry` lists them, `adapter` hands them to
Pulumi, and ``__main__`` serves the pack. ``README.md`` in this directory describes every rule.
"""

"""Measurements of the transport against its peers; `python -m benchmarks.transport`."""

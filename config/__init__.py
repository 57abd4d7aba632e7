"""The example site: a small tea shop that sends mail and knows nothing of how it is sent."""

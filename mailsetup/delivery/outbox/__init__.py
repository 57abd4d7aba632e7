"""The outbox: what waits is stored, claimed, sent, and settled message by message."""

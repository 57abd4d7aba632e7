"""Workers are killed while they send; what the server accepted is compared with the outbox."""

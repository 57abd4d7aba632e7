"""The mail log: who asked for a mail, what is written down of it, and for how long."""

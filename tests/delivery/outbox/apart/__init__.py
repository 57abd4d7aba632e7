"""Programs of the tests that end, or count, whole processes: each runs by itself, prints JSON.

python -m tests.delivery.outbox.apart.dying FOLDER
"""

"""Networks that others are built on, for both halves."""

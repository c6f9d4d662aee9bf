"""Models at endpoints."""

"""A record of what the project shows to its users."""

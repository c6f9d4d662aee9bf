"""A new model for an endpoint, if it is better."""

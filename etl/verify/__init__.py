"""The check of a finished data set."""

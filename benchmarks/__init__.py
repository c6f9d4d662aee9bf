"""Measurements of every step from files to batches, each beside the table or the machine limit it is held against."""

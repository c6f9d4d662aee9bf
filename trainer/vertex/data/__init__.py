"""Managed data sets."""

"""Predictions of deployed models, one by one or in batch jobs."""

"""Evaluation of a trained model: metrics, predictions, pictures."""

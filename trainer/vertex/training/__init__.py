"""Training and tuning jobs on Vertex AI."""

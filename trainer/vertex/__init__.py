"""The cloud side of the trainer: jobs, models and endpoints on Vertex AI."""

"""The API of Vertex AI: one layer of requests for all commands."""

"""A stand-in for Vertex AI's REST interface, for tests: what it is sent is parsed into the SDK's own types."""

"""The plan of a run: splits, shards, and the images of each unit of work."""

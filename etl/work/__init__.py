"""The work of a run: one unit, one shard."""

"""The contract between the halves: records, shards, index and manifest of a data set."""

"""The last step of a run: sums, the last moves, the manifest, and what other readers want."""

"""Training: a run, its steps, checkpoints and what it shows."""

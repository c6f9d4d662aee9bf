"""A command as a process: its standard streams, its terminal, its exit code."""

"""How rows are run: each group in a process of its own, in turns, and told to pytest-benchmark afterwards."""

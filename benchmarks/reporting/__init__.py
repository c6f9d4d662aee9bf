"""From pytest-benchmark's results to a page and its pictures."""

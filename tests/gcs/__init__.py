"""Google Cloud Storage on loopback: a real emulator behind a front that makes trouble to order.

`tests.gcs.emulator.gcs` starts both, for tests and for benchmarks; `tests.gcs.faults` says what can go wrong;
`tests.gcs.fixtures` has the pytest fixtures.
"""

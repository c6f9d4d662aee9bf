"""Google Cloud Storage on loopback: a real emulator behind a front that makes trouble to order.

`tests.fakes.gcs.emulator.gcs` starts both, for tests and for benchmarks; `tests.fakes.gcs.faults` says what can go
wrong; `tests.fakes.gcs.fixtures` has the pytest fixtures.
"""

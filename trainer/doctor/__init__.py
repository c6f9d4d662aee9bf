"""The parts of `python -m trainer.ingest.doctor`: measuring, arithmetic, words and a chart."""

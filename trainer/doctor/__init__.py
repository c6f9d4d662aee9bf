"""What `python -m trainer.ingest.doctor` is made of: measuring, arithmetic, words and a picture."""

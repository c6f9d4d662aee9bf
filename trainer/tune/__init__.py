"""Hyperparameter tuning on this machine, from the file that a Vertex AI tuning job is made from.

`python -m trainer.tune --config NAME|FILE --output_dir DIR -- <arguments of trainer.task>`
"""

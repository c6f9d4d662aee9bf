"""Feeds the data sets that `etl` writes to Keras models: ingest, layers, models, training, export, serving."""

"""Feeds the data sets that `etl` writes to Keras models: ingest, layers, models, training, export, serving."""

import etl  # noqa: F401 - which hears the signals of a command

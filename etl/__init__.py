"""Turns photographs into sharded, training-ready TFRecords with Apache Beam."""

__version__ = "0.1.0"

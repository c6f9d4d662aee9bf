"""The kinds of file stores: a local disk, Google Cloud Storage, and whatever else Beam knows.

Each module has the same functions, which `etl.storage` calls by the path's scheme.
"""

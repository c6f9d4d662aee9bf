"""The kinds of file stores: a local disk and Google Cloud Storage.

Each module has the same functions, which `etl.storage` calls by the path's scheme.
"""

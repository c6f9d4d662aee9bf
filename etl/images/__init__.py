"""The meaning of a pixel: from the bytes of any image file to upright 8-bit RGB, the same on every path.

`sniff` reads headers, `graph` is the one TensorFlow decode and resize, `normalise` is what the ETL calls.
"""

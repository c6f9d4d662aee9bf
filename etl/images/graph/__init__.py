"""Images in TensorFlow's graph: decoding and resizing, as the normaliser does it."""

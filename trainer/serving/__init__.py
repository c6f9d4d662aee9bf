"""An exported model behind HTTP, in the words of TensorFlow Serving's REST interface.

`instances` reads a request, `app` answers it, `about` describes the model, `listening` opens the port.
"""

"""Other people's readers beside ours: the same photographs, the same batches, in turns."""

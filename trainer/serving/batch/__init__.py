"""`python -m trainer.batch_predict`: JSON lines of instances in, JSON lines of predictions out, on Beam.

The input is cut into ranges of bytes, each with the lines that begin in it. A range is one example of Beam's
`RunInference`: its lines are read, answered batch by batch and written to a file of the attempt's own, and only a
description of that file goes on. The last step joins the files in order under the output's name.
"""

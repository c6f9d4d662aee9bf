"""Everything about Beam: the pipeline, and the runners that it runs on."""

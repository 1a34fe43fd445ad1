"""`bronze inspect`: what an API, files or a table give, and the pipeline that would land it."""

"""`bronze inspect`: what an API gives, and the pipeline that would land it."""

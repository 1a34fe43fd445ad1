"""A web service with an engine in it; docs/embedding.md goes through it."""

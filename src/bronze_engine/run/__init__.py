"""One run of one pipeline: what stands, what is read, what is committed, what is told."""

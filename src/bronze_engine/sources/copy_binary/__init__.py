"""PostgreSQL's COPY BINARY: bytes to record batches, without I/O and without a loop over rows."""

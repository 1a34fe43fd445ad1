"""Record batches to files. Synchronous; the parts of one file are cut in one thread at a time."""

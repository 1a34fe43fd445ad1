"""Record batches to files. Synchronous; one file never in two threads."""

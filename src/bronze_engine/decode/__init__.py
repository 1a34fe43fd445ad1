"""Blocks to record batches. Pure and synchronous; runs in workers."""

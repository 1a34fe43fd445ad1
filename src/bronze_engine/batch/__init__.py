"""Many pipelines in one process: which, of which dates, in which order, and what became of them."""

"""The curated layer: one table of each pipeline, computed from what its manifests list."""

"""pipelines.toml itself: found, merged, expanded, converted, described."""

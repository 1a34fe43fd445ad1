"""Batches that come with types of their own, as those of the layout."""

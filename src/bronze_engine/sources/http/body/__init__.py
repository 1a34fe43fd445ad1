"""A page's body: inflated, cut into records, not decoded. Synchronous; runs in workers."""

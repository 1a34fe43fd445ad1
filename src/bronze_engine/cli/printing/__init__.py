"""Results as people read them, on stdout."""

"""What is remembered between runs, all of it rebuildable from the manifests."""

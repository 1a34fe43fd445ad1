"""APIs that data engineers meet, imitated on this machine, and the pipelines that land them."""

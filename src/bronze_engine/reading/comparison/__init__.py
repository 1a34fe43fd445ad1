"""Two partitions or tables, compared: what their manifests, their footers and their rows say."""

"""Two dates of one entity, compared: what their manifests, their footers and their rows say."""

"""Delta and Iceberg tables over what the manifests name."""

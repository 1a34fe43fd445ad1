"""Partitions and tables for whoever reads them: synchronous, by the manifest, on every store."""

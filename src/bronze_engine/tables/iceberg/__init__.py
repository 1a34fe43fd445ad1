"""Iceberg tables: in a catalog, over the data files where they landed."""

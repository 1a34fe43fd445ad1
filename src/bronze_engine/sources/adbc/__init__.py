"""Databases behind an ADBC driver: a table or a query, as the driver's Arrow batches."""

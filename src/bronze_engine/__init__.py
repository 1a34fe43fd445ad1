"""Ingestion into a lake's Bronze layer: fast, exact, published exactly once."""

"""Metrics as text, as Prometheus reads it."""

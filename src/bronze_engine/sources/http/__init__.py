"""Paginated HTTP APIs."""

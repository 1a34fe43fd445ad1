"""Limits shared through Redis: the only place that knows its client and its commands."""

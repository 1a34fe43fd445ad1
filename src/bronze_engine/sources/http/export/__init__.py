"""Exports: a job that an API is asked for, polled until it is done, and its files."""

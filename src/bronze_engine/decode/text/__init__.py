"""Texts of files to the types of their columns."""

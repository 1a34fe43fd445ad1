"""Statements that show a partitioned or curated table to other engines."""

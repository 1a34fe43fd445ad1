"""The sources that are databases."""

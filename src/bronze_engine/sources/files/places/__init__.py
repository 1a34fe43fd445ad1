"""Where files lie, and how they are listed and read there."""

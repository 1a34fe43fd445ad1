"""From the table that stands, and what is new, to the next generation."""

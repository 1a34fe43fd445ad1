"""The same of curated tables."""

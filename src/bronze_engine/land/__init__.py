"""Slices become staged files: blocks are decoded in a fold, and written as they come."""

"""The object stores over real servers."""

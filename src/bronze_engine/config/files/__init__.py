"""[….source] of type "files", and its tables."""

"""Fixed-width files: lines found, told apart, and cut into columns of texts by numpy and Arrow."""

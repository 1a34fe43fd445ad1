"""How many records may be bad, and where the bad ones are kept."""

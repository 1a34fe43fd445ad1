"""What records must be, how many may be bad, and where the bad ones are kept."""

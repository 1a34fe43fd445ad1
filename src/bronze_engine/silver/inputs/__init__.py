"""Which generations of Bronze a run takes in, and whether they are what was committed."""

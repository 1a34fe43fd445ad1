"""Tables of other formats, over stores in memory."""

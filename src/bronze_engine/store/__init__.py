"""Where files land. One contract, one file a kind of store."""

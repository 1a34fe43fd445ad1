"""Which columns a table has, and each value of Bronze's as one of theirs."""

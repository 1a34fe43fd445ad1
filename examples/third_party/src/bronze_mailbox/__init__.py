"""A source, a store and an auth for bronze-engine, as somebody else would write them."""

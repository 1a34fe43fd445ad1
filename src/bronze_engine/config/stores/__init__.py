"""[stores.NAME]: where partitions land."""

"""pipelines.toml as frozen Structs, one file a noun. Behind `load`, every value is valid."""

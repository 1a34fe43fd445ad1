"""Delta tables: a log beside the data files, committed through the store itself."""

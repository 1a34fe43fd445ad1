"""DuckDB, and all that knows it: SQL, types, what it raises, the files that it opens and spills."""

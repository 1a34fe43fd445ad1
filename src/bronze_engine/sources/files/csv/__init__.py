"""CSV and TSV: records cut out of bytes, and read as texts."""

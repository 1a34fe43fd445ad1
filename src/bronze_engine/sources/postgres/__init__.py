"""The PostgreSQL source: tables and queries by COPY, in the binary format."""

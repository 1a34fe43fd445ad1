"""Files on disk, in object stores and behind URLs, as blocks of their records."""

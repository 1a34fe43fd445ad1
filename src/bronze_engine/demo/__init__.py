"""The embedded demo: a real HTTP server on loopback with a flaw or two."""

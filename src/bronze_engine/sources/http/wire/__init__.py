"""One API on the wire: requests out, answers with bounded bodies in."""

"""Tables of other formats on object stores."""

"""What well-typed tables may still get wrong, table by table: CFG001 before any request."""

"""What a command line names: a lake, what is committed in it, a database."""

"""The commands, a file each; beside them what one alone needs."""

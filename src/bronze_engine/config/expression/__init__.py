"""Conditions as SQL writes them, of quality rules: read here, evaluated by `quality.conditions`."""

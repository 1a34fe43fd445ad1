"""`bronze schema`: the JSON Schema of pipelines.toml."""

from __future__ import annotations

from bronze_engine.cli.printing import text
from bronze_engine.config.loading.describe import json_schema

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema of pipelines.toml, for editors."""
    text.print_json(json_schema())

"""The layer above Bronze, which a process imports that curates."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bronze_engine.workers import Workers

__all__ = ["silver_layer"]


async def silver_layer(workers: Workers) -> Any:
    """The module `bronze_engine.silver.steps`, imported with DuckDB: only who curates needs it."""
    return await workers.run(import_module, "bronze_engine.silver.steps")

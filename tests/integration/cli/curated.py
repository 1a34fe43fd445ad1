"""Pipelines that land small CSV files and have curated tables: nothing has to be served."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DAY", "NAME", "NEXT", "TABLE", "configure", "snapshot"]

NAME = "shop.orders"
DAY = "2025-01-15"
NEXT = "2025-01-16"
TABLE = "lake/silver/shop/orders"

_ENGINE = """\
[engine]
target = "lake"
log_dir = ""
"""
_PIPELINE = """
[pipelines.shop.{entity}]
primary_key = ["id"]
[pipelines.shop.{entity}.source]
type = "files"
url = "in/{entity}-{{run_date}}.csv"
format = "csv"
[pipelines.shop.{entity}.schema]
columns = {{ id = "int64" }}
"""
_SILVER = """\
[pipelines.shop.{entity}.silver]
{keys}
"""


def configure(folder: Path, keys: str = 'deletes = "tombstone"', *, more: str = "") -> None:
    """shop.orders has a table, with these keys; so has shop.items, and shop.plain has none."""
    text = _ENGINE
    for entity in ("orders", "items", "plain"):
        text += _PIPELINE.format(entity=entity)
        if entity != "plain":
            text += _SILVER.format(entity=entity, keys=keys)
    (folder / "pipelines.toml").write_text(text + more)


def snapshot(folder: Path, day: str, *rows: str, entity: str = "orders") -> None:
    """What the source holds on a day: `id,status` a row."""
    (folder / "in").mkdir(exist_ok=True)
    text = "\n".join(("id,status", *rows))
    (folder / "in" / f"{entity}-{day}.csv").write_text(f"{text}\n")

"""Folders of partition values below a run date: `country=DE/created_at_day=2025-01-15`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["NULL_FOLDER", "values_folder"]

NULL_FOLDER: Final = "__HIVE_DEFAULT_PARTITION__"

_ESCAPED: Final = re.compile(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]|^\.|[. ]$")
"""What Hive escapes (`FileUtils.escapePathName`), as Spark, DuckDB, Polars and pyarrow read it
back; and dots and spaces where stores or file systems take none: dots that begin a key's part
are refused by ours, dots and spaces that end one by Azure and Windows."""


def values_folder(values: Mapping[str, str | None]) -> str:
    """The path of a file's partition values, without a slash behind it; empty for none.

    No two mappings of the same keys have the same path: NULL is not the text that stands for
    it, nor the empty text.
    """
    return "/".join(f"{_escaped(key)}={_value(value)}" for key, value in values.items())


def _value(value: str | None) -> str:
    if value is None:
        return NULL_FOLDER
    return f"%5F{value[1:]}" if value == NULL_FOLDER else _escaped(value)


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", text)

"""Where a curated table may lie: below the target, and in nobody's way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.model.nearest import nearest

__all__ = ["path_faults"]

_FIELDS: Final = ("{system}", "{entity}")
_FIELD: Final = re.compile(r"\{[^{}]*\}")
_PART: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
_MOST_PARTS: Final = 8
_MOST_CHARACTERS: Final = 200


def path_faults(pattern: str, path: KeyPath) -> Iterator[Fault]:
    """Faults of `silver.path` by itself."""
    if not pattern:
        yield Fault(path, 'is empty; leave it out for "silver/{system}/{entity}"')
        return
    unknown = [field for field in _FIELD.findall(pattern) if field not in _FIELDS]
    if unknown:
        yield Fault(path, f"has {json.dumps(unknown[0])}; {nearest(unknown[0], _FIELDS)}")
        return
    parts = _FIELD.sub("x", pattern).split("/")
    if len(parts) > _MOST_PARTS or len(pattern) > _MOST_CHARACTERS:
        yield Fault(
            path, f"is too long: at most {_MOST_PARTS} folders, and {_MOST_CHARACTERS} characters"
        )
    elif not all(_PART.fullmatch(part) and ".." not in part for part in parts):
        yield Fault(
            path,
            f"{json.dumps(pattern)} is no path below the target; write folders of letters, digits,"
            " `_`, `-` and single dots inside, a letter or digit first, with {system} and {entity}",
        )

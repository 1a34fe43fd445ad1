"""Names that become part of paths: teams, pipelines, systems, entities."""

from __future__ import annotations

import json
import re

from bronze_engine.config.loading.fault import Fault, KeyPath

__all__ = ["MAX_NAME_LENGTH", "check_name", "check_path_part"]

MAX_NAME_LENGTH = 128
"""Two of them, a date and a file's name stay under 255 bytes a segment on every store."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PATH_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")


def check_name(name: str, path: KeyPath, faults: list[Fault]) -> None:
    """A team, a pipeline's name within it, a template, an API or a store."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        faults.append(
            Fault(
                path,
                f"{json.dumps(name)} is no name; write letters, digits, `_` and `-`, "
                f"a letter or digit first, at most {MAX_NAME_LENGTH}",
            )
        )


def check_path_part(value: str, path: KeyPath, faults: list[Fault]) -> None:
    """A system or an entity: one segment of a path. Dots are fine inside, `..` is not.

    A leading `_` or `dt=` would be taken for state or a partition, a leading dot for a
    temporary.
    """
    if not _PATH_PART.fullmatch(value) or ".." in value or len(value) > MAX_NAME_LENGTH:
        faults.append(
            Fault(
                path,
                f"{json.dumps(value)} is no part of a path; write letters, digits, `_`, `-` and "
                f"single dots inside, a letter or digit first, at most {MAX_NAME_LENGTH}",
            )
        )

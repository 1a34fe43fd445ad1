"""A fault of the configuration: the key, what is wrong with it, and what would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec

from bronze_engine.errors import ConfigError

__all__ = ["Fault", "KeyPath", "config_error", "dotted"]

KeyPath = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong. Neither text holds a secret."""

    path: KeyPath
    message: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.message}" if self.path else self.message


def dotted(path: Sequence[str]) -> str:
    """A key as it is written in TOML: parts that are no bare keys are quoted."""
    return ".".join(
        part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False) for part in path
    )


def config_error(file: str, faults: Sequence[Fault], **context: object) -> ConfigError:
    """One error for all faults of a file; a single one reads as a sentence."""
    unique = list(dict.fromkeys(str(fault) for fault in faults))
    if len(unique) == 1:
        return ConfigError(f"{file}: {unique[0]}", file=file, **context)
    lines = "".join(f"\n  - {text}" for text in unique)
    return ConfigError(f"{file}: {len(unique)} faults{lines}", file=file, **context)

"""A fault of the configuration: the key, what is wrong with it, and what would be right."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence

import msgspec

from bronze_engine.errors import ConfigError

__all__ = ["Fault", "KeyPath", "config_error", "dotted", "nearest"]

KeyPath = tuple[str, ...]

SHOWN = 20
"""Names, at most, of those that are known: a file may have thousands of pipelines."""

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


def nearest(word: str, known: Iterable[str]) -> str:
    """What the writer may have meant: the nearest of `known`, else all of them, or the first."""
    options = sorted(known)
    close = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    if close:
        return f"did you mean {json.dumps(close[0])}?"
    if not options:
        return "there are none"
    more = f" and {len(options) - SHOWN:,} more" if len(options) > SHOWN else ""
    return "known are " + ", ".join(json.dumps(option) for option in options[:SHOWN]) + more


def config_error(file: str, faults: Sequence[Fault], **context: object) -> ConfigError:
    """One error for all faults of a file; a single one reads as a sentence."""
    unique = list(dict.fromkeys(str(fault) for fault in faults))
    if len(unique) == 1:
        return ConfigError(f"{file}: {unique[0]}", file=file, **context)
    lines = "".join(f"\n  - {text}" for text in unique)
    return ConfigError(f"{file}: {len(unique)} faults{lines}", file=file, **context)

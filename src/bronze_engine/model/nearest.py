"""Which of the known names a writer may have meant by one that is none of them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["nearest", "nearest_names"]

_SHOWN: Final = 20
"""Names, at most, of those that are known: a file may have thousands of pipelines."""


def nearest(word: str, known: Iterable[str], *, write: Callable[[str], str] = json.dumps) -> str:
    """The end of an error about `word`: the nearest of `known`, else what there is, by name.

        did you mean "id"?      known are "id", "name" and 3 more      there are none

    `write` says how a name stands in that error; as TOML has it where nothing is said.
    """
    names = sorted(known)
    close = nearest_names(word, names, most=1)
    if close:
        return f"did you mean {write(close[0])}?"
    if not names:
        return "there are none"
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"known are {', '.join(map(write, names[:_SHOWN]))}{more}"


def nearest_names(word: str, known: Iterable[str], *, most: int) -> list[str]:
    """The names like `word`, whatever the case of either, nearest first; `most` at the most."""
    folded = {name.casefold(): name for name in known}
    return [folded[key] for key in difflib.get_close_matches(word.casefold(), folded, n=most)]

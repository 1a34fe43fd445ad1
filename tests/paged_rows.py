"""A table behind every way of paging: what a server answers to one request."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

Kind = Literal[
    "none",
    "page",
    "offset",
    "cursor",
    "header_cursor",
    "keyset",
    "next_url",
    "link_header",
    "graphql",
]
Stated = Literal["total", "total_pages", "has_more"]


class PagedRows:
    """`count` records with ids from 1, in pages of at most `cap`, 5 where no size is asked for.

    `states` are what each answer says beside the records. `hidden` are sizes that pages are
    cut down to, one after another, as servers do that filter after they cut their pages: of
    those that name the next page, and of offsets where something else tells the end.
    `is_endless` names a next page after the last one too.
    """

    def __init__(
        self,
        kind: Kind,
        count: int,
        *,
        cap: int = 1000,
        states: Collection[Stated] = (),
        hidden: Sequence[int] = (),
        is_endless: bool = False,
    ) -> None:
        self.kind = kind
        self.count = count
        self._cap = cap
        self._states = states
        if kind in ("none", "page", "keyset"):
            hidden = ()
        elif kind == "offset":  # to it an empty page is the end
            told = not {"total", "has_more"}.isdisjoint(states)
            hidden = [max(1, size) for size in hidden] if told else ()
        self._hidden = hidden
        self._is_endless = is_endless
        self._answers = 0

    def answer(self, asked: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
        """The body's value and the headers for a request with these parameters."""
        self._answers += 1
        size = min(int(asked.get("size", 5)), self._cap)
        start = self._start(asked, size)
        stop = self.count if self.kind == "none" else min(start + size, self.count)
        if self._hidden:
            seen = self._hidden[self._answers % len(self._hidden)]
            # An empty page leads to another one, from the same place.
            stop = min(stop, start + seen)
        rows = [{"id": number} for number in range(start + 1, stop + 1)]
        is_more = stop < self.count
        value: dict[str, Any] = {"data": rows}
        if "total" in self._states:
            value["total"] = self.count
        if "total_pages" in self._states:
            value["total_pages"] = math.ceil(self.count / size)
        if "has_more" in self._states:
            value["has_more"] = is_more
        return self._with_next(value, stop, size, is_named=is_more or self._is_endless)

    def _with_next(
        self, value: dict[str, Any], stop: int, size: int, *, is_named: bool
    ) -> tuple[Any, dict[str, str]]:
        token = f"{stop}/{self._answers}"  # no two are alike
        match self.kind:
            case "cursor":
                value["next_cursor"] = token if is_named else None
            case "header_cursor" if is_named:
                return value, {"X-Next-Cursor": token}
            case "next_url":
                link = f"/x?at={token}&size={size}"
                value["links"] = {"next": link if is_named else None}
            case "link_header":
                link = f'</x?at={token}&size={size}>; rel="next"'
                return value, {"Link": link if is_named else '</x>; rel="first"'}
            case "graphql":
                value["pageInfo"] = {"hasNextPage": is_named, "endCursor": token}
            case _:
                pass
        return value, {}

    def _start(self, asked: Mapping[str, Any], size: int) -> int:
        match self.kind:
            case "page":
                return min(self.count, (int(asked.get("page", 1)) - 1) * size)
            case "offset":
                return min(self.count, int(asked.get("offset", 0)))
            case _:
                token = str(asked.get("at", asked.get("after", asked.get("cursor", 0))))
                return int(token.partition("/")[0])

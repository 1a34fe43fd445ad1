"""A decoder made for exactly the paths that a pipeline names: one pass over a body."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import msgspec

from bronze_engine.sources.http.body.raw import Body

__all__ = ["OnePass", "Path"]

Path = tuple[str, ...]

_ESCAPED: Final = re.compile(r'["\\\x00-\x1f]')
"""What a key can only hold escaped: msgspec takes no such name for a member."""


@final
class OnePass:
    """Cuts lists of records and some control fields out of a body (1.3 GB/s).

    Each of `lists` and of `fields` has the paths that it may be at, the first that is there
    wins; the empty path is the body itself. `read` gives None where the body has another
    shape, where one path leads through another's end, or where a name holds what JSON escapes.
    """

    def __init__(
        self, lists: Sequence[Sequence[Path]], fields: Mapping[str, Sequence[Path]]
    ) -> None:
        self._lists = lists
        self._fields = fields
        self._decoder, self._places = _compile(
            [at for places in lists for at in places],
            [at for places in fields.values() for at in places],
        )

    def read(
        self, body: Body
    ) -> tuple[list[list[msgspec.Raw] | None], dict[str, msgspec.Raw]] | None:
        """The lists, None for a null in a list's place, and the fields that are there.

        Raises msgspec.DecodeError for what is no JSON.
        """
        if self._decoder is None:
            return None
        try:
            page = self._decoder.decode(body)
        except msgspec.ValidationError:
            return None
        raws = [self._first(page, places) for places in self._lists]
        if any(each is msgspec.UNSET for each in raws):
            return None
        found = ((path, self._first(page, at)) for path, at in self._fields.items())
        return raws, {path: raw for path, raw in found if raw is not msgspec.UNSET}

    def _first(self, page: Any, readings: Sequence[Path]) -> Any:
        """What is at the first of these paths that is there; UNSET for nothing."""
        found: Any = msgspec.UNSET
        for at in readings:
            found = _at(page, self._places[at])
            if found is not msgspec.UNSET:
                break
        return found


def _compile(
    records: Sequence[Path], fields: Sequence[Path]
) -> tuple[msgspec.json.Decoder[Any] | None, dict[Path, Path]]:
    """The decoder, and where in its result each path is."""
    if () in records:
        if fields or len(records) > 1:
            return None, {}
        return msgspec.json.Decoder(list[msgspec.Raw] | None), {(): ()}
    if any(_ESCAPED.search(name) for path in (*records, *fields) for name in path):
        return None, {}
    tree: dict[str, Any] = {}
    leaves = [
        *((path, msgspec.Raw) for path in fields),
        *((path, list[msgspec.Raw]) for path in records),
    ]
    for path, leaf in leaves:
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                return None, {}
        if path[-1] in node and node[path[-1]] is not leaf:
            return None, {}
        node[path[-1]] = leaf
    places: dict[Path, Path] = {}

    def build(node: dict[str, Any], above: Path, at: Path) -> Any:
        members: list[tuple[str, Any, Any]] = []
        rename = {}
        for number, (name, below) in enumerate(node.items()):
            field = f"f{number}"
            rename[field] = name
            if isinstance(below, dict):
                kind: Any = build(below, (*above, name), (*at, field)) | None
            else:
                places[(*above, name)] = (*at, field)
                kind = below if below is msgspec.Raw else below | None
            members.append((field, kind | msgspec.UnsetType, msgspec.UNSET))
        return msgspec.defstruct("Page", members, rename=rename)

    return msgspec.json.Decoder(build(tree, (), ())), places


def _at(page: Any, place: Path) -> Any:
    for name in place:
        page = getattr(page, name, msgspec.UNSET)
        if page is msgspec.UNSET:
            break
    return page

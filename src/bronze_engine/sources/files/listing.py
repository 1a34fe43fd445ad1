"""What a source's URLs name: the files that are there, in the order of their paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Final

import msgspec

from bronze_engine.config.files.place import FilePlace
from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.config.template import render, render_url
from bronze_engine.contracts import Request, Resources
from bronze_engine.errors import ExtractError
from bronze_engine.sources.files.archive import TAIL_BYTES, Member, members_of, tail_start
from bronze_engine.sources.files.entry import Entry
from bronze_engine.sources.files.glob import Glob
from bronze_engine.sources.files.inflate import coding_of_name
from bronze_engine.sources.files.places.local import LocalPlace
from bronze_engine.sources.files.places.place import Found, Place
from bronze_engine.sources.files.places.store import StorePlace
from bronze_engine.sources.files.spool import spooled
from bronze_engine.telemetry.redact import redact_url

__all__ = ["Asked", "list_files", "open_places", "with_members"]


_HTTP_PLACE: Final = "bronze_engine.sources.files.places.http"
MAX_LIST_BYTES: Final = 256 * 1024**2
"""An archive's list of members that is larger is refused: some two million of them."""


class Asked(msgspec.Struct, frozen=True):
    """One URL of a source, for the run date, and the place that it is looked for in."""

    place: Place
    pattern: str

    @property
    def shown(self) -> str:
        return redact_url(self.pattern) if "://" in self.pattern else self.pattern


async def open_places(
    config: FilesSourceConfig, request: Request, resources: Resources
) -> tuple[Asked, ...]:
    """The places of a source. Nothing is asked of them yet."""
    return tuple([await _asked(each, request, resources) for each in config.places])


async def _asked(place: FilePlace, request: Request, resources: Resources) -> Asked:
    values = {"run_date": request.run_date}
    if place.api is not None:
        # In a worker, and only here: it imports the HTTP client, which other files do without.
        http = await resources.workers.run(import_module, _HTTP_PLACE)
        opened: Place = await http.open_http_place(place.api, resources)
        return Asked(opened, render_url(place.pattern, values))
    pattern = render(place.pattern, values)
    if place.store is not None:
        store = await resources.open_store(place.store)
        return Asked(StorePlace(store, resources.workers, resources.tally.warn), pattern)
    return Asked(LocalPlace(resources.workers), pattern)


async def list_files(config: FilesSourceConfig, asked: Sequence[Asked]) -> list[Entry]:
    """All files that match, each once, in the byte order of their paths.

    Raises ExtractError where one of the URLs has none, unless `on_missing` says that this is no
    fault.
    """
    found: dict[str, Entry] = {}
    name_pattern = None if config.name_pattern is None else re.compile(config.name_pattern)
    for each in asked:
        count = skipped = 0
        async for file in each.place.scan(each.pattern):
            entry = Entry(place=each.place, found=file)
            if name_pattern is None or _is_archive(config, entry) or _is_named(entry, name_pattern):
                count += 1
                _add(entry, found)
            else:
                skipped += 1
        if not count and config.on_missing == "fail":
            raise ExtractError(await _nothing(each, skipped))
    return sorted(found.values(), key=lambda entry: entry.path.encode())


def _add(entry: Entry, found: dict[str, Entry]) -> None:
    """Add a file once. URLs that differ in what is not shown of them are told apart by number."""
    path, number = entry.path, 2
    while path in found and found[path].found.key != entry.found.key:
        path, number = f"{entry.path}#{number}", number + 1
    named = msgspec.structs.replace(entry.found, path=path)
    found[path] = msgspec.structs.replace(entry, found=named)


def _is_named(entry: Entry, pattern: re.Pattern[str]) -> bool:
    return entry.match(pattern) is not None


async def _nothing(asked: Asked, skipped: int) -> str:
    if skipped:
        return (
            f"{skipped:,} files match {asked.shown}, and source.name_pattern is found in the name"
            " of none of them"
        )
    near = await asked.place.near(asked.pattern)
    nearest = f"; near it are {', '.join(near[:3])}" if near else ""
    return (
        f"no file matches {asked.shown}{nearest}; correct source.url, or set source.on_missing ="
        ' "empty" if that is no fault'
    )


def _is_archive(config: FilesSourceConfig, entry: Entry) -> bool:
    if config.compression == "zip":
        return True
    return config.compression == "auto" and coding_of_name(entry.name) == "zip"


async def with_members(
    config: FilesSourceConfig,
    entries: Sequence[Entry],
    resources: Resources,
    stack: AsyncExitStack,
) -> list[Entry]:
    """The entries, those that are archives replaced by their members, in an archive's order.

    Archives of servers are copied first, because few of them send parts of a file; the copies
    are removed with `stack`.
    """
    all_entries: list[Entry] = []
    glob = Glob(config.member)
    name_pattern = None if config.name_pattern is None else re.compile(config.name_pattern)
    for entry in entries:
        if not _is_archive(config, entry):
            all_entries.append(entry)
            continue
        archive = entry
        if not entry.place.sends_parts:
            archive = await _copied(entry, resources, stack)
        for member in await _members(archive):
            one = msgspec.structs.replace(archive, member=member)
            name = member.name if "/" in config.member else one.name
            is_wanted = glob.matches(name)
            if is_wanted and (name_pattern is None or _is_named(one, name_pattern)):
                all_entries.append(one)
    return all_entries


async def _copied(entry: Entry, resources: Resources, stack: AsyncExitStack) -> Entry:
    reading = entry.place.read(entry.found, lambda _: None)
    chunks = await stack.enter_async_context(reading)
    path = await stack.enter_async_context(
        spooled(chunks, resources.workers, name=entry.found.path)
    )
    size = (await resources.workers.run(path.stat)).st_size
    found = msgspec.structs.replace(entry.found, key=str(path), size_bytes=size)
    return Entry(place=LocalPlace(resources.workers, holds_copies=True), found=found)


async def _members(archive: Entry) -> list[Member]:
    found = archive.found
    size = found.size_bytes or 0
    try:
        tail = await _range(archive.place, found, max(0, size - TAIL_BYTES))
        start = tail_start(tail, size)
        if size - start > MAX_LIST_BYTES:
            raise ExtractError(f"{found.path} has too many members to list; pack them into several")
        if start < size - len(tail):
            tail = await _range(archive.place, found, start)
        return members_of(tail, size)
    except ValueError as exc:
        raise ExtractError(f"{found.path} can't be read as a ZIP archive: {exc}") from None


async def _range(place: Place, file: Found, start: int) -> bytes:
    async with place.read(file, lambda _: None, start=start) as chunks:
        return b"".join([chunk async for chunk in chunks])

"""`type = "mbox"`: a folder of mailboxes, each message a row.

A mailbox is a slice, so mailboxes are read side by side and a broken run goes on behind those
that have landed. Messages are cut out of the file as it is read (mboxrd: lines that begin with
"From " begin a message, ">From " within one is unquoted), never the whole of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self

import msgspec

from bronze_engine import ExtractError
from bronze_engine.plugins import (
    Block,
    CustomSource,
    Decoder,
    Emit,
    Lane,
    Preview,
    Request,
    Resources,
    Slice,
    Source,
)

__all__ = ["MboxConfig", "MboxSource"]

_BLOCK_BYTES: Final = 256 * 1024
_FLOOR_BYTES: Final = 2 * _BLOCK_BYTES
_COLUMNS: Final = {
    "message_id": "string",
    "sent_at": "string",
    "sender": "string",
    "recipients": "string",
    "subject": "string",
    "text": "string",
    "size_bytes": "int64",
}
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)


class MboxConfig(CustomSource, frozen=True, kw_only=True, tag="mbox"):
    """Mailboxes in one folder."""

    no_rows: ClassVar[frozenset[str]] = frozenset({"at_once"})

    folder: str
    """Relative to pipelines.toml."""
    pattern: str = "*.mbox"
    at_once: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    """Mailboxes read side by side."""

    @property
    def location(self) -> str:
        return f"{self.folder}/{self.pattern}"

    def faults(self) -> Iterator[tuple[str, str]]:
        if "/" in self.pattern:
            yield "pattern", "is of names within the folder; put the rest into folder"

    def resolved(self, absolute: Callable[[str], str], /) -> Self:
        return msgspec.structs.replace(self, folder=absolute(self.folder))


class MboxSource:
    """The source type: found by its entry point, made without arguments."""

    config = MboxConfig

    @asynccontextmanager
    async def open(
        self, config: MboxConfig, request: Request, resources: Resources, /
    ) -> AsyncIterator[Source]:
        yield _Mailboxes(config, request, resources)

    def floor_bytes(self, _config: MboxConfig, /) -> int:
        return _FLOOR_BYTES

    def slices_at_once(self, config: MboxConfig, /) -> int:
        # Above 1 only because all slices have one layout: see `decoder`.
        return config.at_once


class _Mailboxes:
    def __init__(self, config: MboxConfig, request: Request, resources: Resources) -> None:
        self._config = config
        self._request = request
        self._resources = resources
        self._listed = ""

    @property
    def token(self) -> str | None:
        """A mailbox that is written to meanwhile is another one."""
        return hashlib.sha256(self._listed.encode()).hexdigest()

    def preview(self) -> Preview:
        return Preview(
            location=self._config.location,
            first=f"the first of {self._config.location}",
            slices=("one for each mailbox, in order of names",),
        )

    async def check(self) -> str:
        found = await self._resources.workers.run(_listed, self._config)
        return f"{len(found)} mailboxes in {self._config.folder}"

    async def slices(self) -> AsyncIterator[Slice]:
        found = await self._resources.workers.run(_listed, self._config)
        self._listed = "\n".join(f"{path.name} {size} {modified}" for path, size, modified in found)
        for index, (path, _, _) in enumerate(found):
            spec = msgspec.Raw(msgspec.json.encode(path.name))
            yield Slice(index=index, label=path.name, spec=spec)

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        path = Path(self._config.folder, msgspec.json.decode(piece.spec, type=str))
        lane = Lane(self._resources.budget, _FLOOR_BYTES)
        # Stepped one `next` a job: no worker is held while `emit` waits.
        async with self._resources.workers.iterate(_blocks(path)) as blocks:
            async for block in blocks:
                self._resources.tally.pages += 1
                self._resources.tally.bytes_in += block.size_bytes
                lane.add(block.size_bytes)
                try:
                    await emit(block)
                finally:
                    lane.add(-block.size_bytes)
        return None

    def decoder(self) -> Decoder:
        """Types are named, not inferred: a mailbox without subjects has the columns of others."""
        columns = {**_COLUMNS, **self._request.schema.columns}
        schema = msgspec.structs.replace(self._request.schema, columns=columns)
        return self._resources.json_decoder(msgspec.structs.replace(self._request, schema=schema))


def _listed(config: MboxConfig) -> list[tuple[Path, int, int]]:
    folder = Path(config.folder)
    if not folder.is_dir():
        raise ExtractError(f"{folder} is no folder; set folder to the one that holds mailboxes")
    paths = sorted(path for path in folder.glob(config.pattern) if path.is_file())
    return [(path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def _blocks(path: Path) -> Iterator[Block]:
    """Blocks of about 256 KiB. The page of a message is the number of its block."""
    lines: list[bytes] = []
    size = number = 0
    try:
        for message in _messages(path):
            line = msgspec.json.encode(_record(message)) + b"\n"
            lines.append(line)
            size += len(line)
            if size >= _BLOCK_BYTES:
                number += 1
                yield Block(data=b"".join(lines), records=len(lines), page=number)
                lines, size = [], 0
    except OSError as exc:
        raise ExtractError(f"{path} can't be read: {exc.strerror}; mend it and run again") from exc
    if lines:
        yield Block(data=b"".join(lines), records=len(lines), page=number + 1)


def _messages(path: Path) -> Iterator[bytes]:
    """Each message without its "From " line."""
    lines: list[bytes] = []
    begun = False
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b"From "):
                if begun:
                    yield _QUOTED.sub(rb"\1", b"".join(lines))
                lines, begun = [], True
            elif begun:
                lines.append(line)
    if begun:
        yield _QUOTED.sub(rb"\1", b"".join(lines))


def _record(raw: bytes) -> dict[str, Any]:
    message = message_from_bytes(raw, policy=policy.default)
    recipients = getaddresses(_headers(message, "to"))
    return {
        "message_id": _header(message, "message-id"),
        "sent_at": _header(message, "date"),
        "sender": _header(message, "from"),
        "recipients": ", ".join(address for _, address in recipients if address),
        "subject": _header(message, "subject"),
        "text": _text(message),
        "size_bytes": len(raw),
    }


def _header(message: EmailMessage, name: str) -> str | None:
    found = _headers(message, name)
    return found[-1] if found else None


def _headers(message: EmailMessage, name: str) -> list[str]:
    """As they are meant; as they stand there where they are so broken that the parser gives up."""
    try:
        return [str(value) for value in message.get_all(name, [])]
    except (IndexError, ValueError, HeaderParseError):
        found = [value for key, value in message.raw_items() if key.lower() == name]
        return [str(value).encode(errors="replace").decode() for value in found]


def _text(message: EmailMessage) -> str | None:
    """One message of thousands that names no charset that there is must not end the run."""
    body = message.get_body(("plain", "html"))
    if body is None:
        return None
    try:
        return str(body.get_content())
    except LookupError:
        content = body.get_payload(decode=True)
        return content.decode(errors="replace") if isinstance(content, bytes) else None

"""Compressed files as streams: bounded steps in, bounded pieces out, and the end checked."""

from __future__ import annotations

import bz2
import lzma
import re
from collections.abc import Callable, Iterator
from typing import Final, Literal, Protocol, final

from zlib_ng import zlib_ng

from bronze_engine.errors import ExtractError

__all__ = ["Coding", "Inflater", "Plain", "coding_of_bytes", "coding_of_name", "make_inflater"]

Coding = Literal["none", "gzip", "zstd", "bz2", "xz", "zip"]

PIECE_BYTES: Final = 1024**2
_STEP_BYTES: Final = 64 * 1024
"""Input given to a decompressor at once: what is left of it is copied at each step."""

_MAGIC: Final[tuple[tuple[bytes, Coding], ...]] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)
_SKIPPABLE: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""A frame of zstd without data (RFC 8878, 3.1.2): with one pzstd begins its files."""
_SUFFIXES: Final[dict[str, Coding]] = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".zst": "zstd",
    ".zstd": "zstd",
    ".bz2": "bz2",
    ".xz": "xz",
    ".zip": "zip",
}


def coding_of_bytes(head: bytes) -> Coding:
    """What a file that begins so is compressed with."""
    for magic, coding in _MAGIC:
        if head.startswith(magic):
            return coding
    return "zstd" if _SKIPPABLE.match(head) else "none"


def coding_of_name(name: str) -> Coding:
    """What a file of this name says that it is compressed with."""
    lower = name.lower()
    return next((coding for end, coding in _SUFFIXES.items() if lower.endswith(end)), "none")


class Inflater(Protocol):
    """Decompresses one stream. In workers; never in two at once."""

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        """What these bytes unfold to, in non-empty pieces of at most 1 MiB. Raises ValueError
        for what is not of its kind."""
        ...

    def finish(self) -> None:
        """Raise ValueError where the end is missing."""
        ...


@final
class Plain:
    """No compression at all."""

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        if data:
            yield data

    def finish(self) -> None:
        pass


class _Decoder(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


@final
class Gzip:
    """One or more members (RFC 1952); zeros after the last are padding.

    By zlib-ng: twice as fast as zlib.
    """

    def __init__(self) -> None:
        self._stream = zlib_ng.decompressobj(31)
        self._has_begun = False

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        view = memoryview(data)
        for start in range(0, len(view), _STEP_BYTES):
            rest = bytes(view[start : start + _STEP_BYTES])
            while rest:
                if self._stream.eof:
                    rest = rest.lstrip(b"\0")
                    if not rest:
                        break
                    self._stream = zlib_ng.decompressobj(31)
                try:
                    found = self._stream.decompress(rest, PIECE_BYTES)
                except zlib_ng.error as exc:  # type: ignore[misc]  # stubs: an instance
                    raise ValueError(str(exc)) from None
                self._has_begun = True
                rest = (
                    self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
                )
                if found:
                    yield found

    def finish(self) -> None:
        if not self._has_begun:
            raise ValueError("it is empty")
        if not self._stream.eof:
            raise ValueError("its end is missing")


@final
class Streams:
    """One or more streams of bz2 or xz, one behind the other."""

    def __init__(self, make: Callable[[], _Decoder], padding: bytes) -> None:
        self._make = make
        self._padding = padding
        self._stream = make()
        self._has_begun = False

    def feed(self, data: bytes, /) -> Iterator[bytes]:
        rest = data
        while rest or not self._stream.needs_input:
            if self._stream.eof:
                rest = rest.lstrip(self._padding) if self._padding else rest
                if not rest:
                    return
                self._stream = self._make()
            try:
                found = self._stream.decompress(rest, PIECE_BYTES)
            except (OSError, lzma.LZMAError, EOFError) as exc:
                raise ValueError(str(exc)) from None
            self._has_begun = True
            rest = self._stream.unused_data if self._stream.eof else b""
            if found:
                yield found
            if self._stream.eof and not rest:
                return

    def finish(self) -> None:
        if not self._has_begun:
            raise ValueError("it is empty")
        if not self._stream.eof:
            raise ValueError("its end is missing")


def make_inflater(coding: Coding) -> Inflater:
    """The decompressor of a stream; of zstd, which Arrow reads from a file, there is none."""
    match coding:
        case "none":
            return Plain()
        case "gzip":
            return Gzip()
        case "bz2":
            return Streams(bz2.BZ2Decompressor, b"")
        case "xz":
            return Streams(lzma.LZMADecompressor, b"\0")
        case _:
            raise ExtractError(f"{coding} is no stream")

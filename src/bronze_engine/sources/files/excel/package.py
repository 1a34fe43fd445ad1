"""What the reader of workbooks does not tell: how large a sheet is, where it has errors, and
whether a checksum is wrong.

An .xlsx is a ZIP of XML (ECMA-376); what is neither ZIP nor XML has one size, and no errors.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from pathlib import Path
from typing import Final, final
from xml.etree import ElementTree as ET

from bronze_engine.config.files.area import parse_cell

__all__ = ["DAMAGE", "Package"]

DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)
"""What is raised where a part is not what it was when it was packed."""

_BOOK: Final = "xl/workbook.xml"
_LINKS: Final = "xl/_rels/workbook.xml.rels"
_TEXTS: Final = "xl/sharedStrings.xml"
_MOST_BYTES: Final = 16 * 1024**2
"""Of the list of sheets."""

_CHUNK_BYTES: Final = 1024**2
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
"""The stream of a compound file that holds an encrypted .xlsx ([MS-OFFCRYPTO] 2.3.4.4)."""
_COMPOUND: Final = b"\xd0\xcf\x11\xe0"
_HEAD_BYTES: Final = 1024**2

_PICTURES: Final = re.compile("/(?:media|embeddings)/")

_IS_ERROR: Final = re.compile(rb"""\bt=["']e["']""")
_CELL: Final = re.compile(
    rb"""<(?:\w+:)?c\b([^>]*\bt=["']e["'][^>]*)>(.*?)</(?:\w+:)?c>""", re.DOTALL
)
_PLACE: Final = re.compile(rb"""\br=["']([A-Z]+[0-9]+)["']""")
_VALUE: Final = re.compile(rb"<(?:\w+:)?v>([^<]*)<")
_EXTENT: Final = re.compile(
    rb"""<(?:\w+:)?dimension\b[^>]*\bref=["']([A-Z]+[0-9]+)(?::([A-Z]+[0-9]+))?["']"""
)
_FILLED: Final = re.compile(rb"""<(?:\w+:)?c\b[^>]*\br=["']([A-Z]+)([0-9]+)["'][^>]*(?<!/)>""")
_ROW_END: Final = re.compile(rb"</(?:\w+:)?row>")


@final
class Package:
    """One file, opened anew at each question."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes, self._parts = _read(path)

    @property
    def is_encrypted(self) -> bool:
        with self._path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        return head.startswith(_COMPOUND) and _ENCRYPTED in head

    @property
    def shared_bytes(self) -> int:
        """Of the texts that all sheets share, which are read with the workbook."""
        return self._sizes.get(_TEXTS, 0)

    def verify(self, sheet: str | None = None) -> None:
        """Raise one of DAMAGE where the checksum of a part is wrong: of a sheet, or of all but
        sheets and pictures."""
        sheets = set(self._parts.values())
        if sheet is not None:
            wanted = [self._parts[sheet]] if sheet in self._parts else []
        else:
            wanted = [
                name for name in self._sizes if name not in sheets and not _PICTURES.search(name)
            ]
        for part in wanted:
            with zipfile.ZipFile(self._path) as archive, archive.open(part) as file:
                while file.read(_CHUNK_BYTES):
                    pass

    def size_of(self, sheet: str) -> int:
        """Bytes of a sheet, unpacked; where they are not told apart, of the largest part."""
        part = self._parts.get(sheet)
        if part is not None:
            return self._sizes[part]
        return max(self._sizes.values(), default=0) or self._path.stat().st_size

    def cells_of(self, sheet: str, most: int) -> int:
        """How many cells lie between the first and the last that hold anything, blank ones too:
        the reader has a place for each. Only where the sheet says that they may be more than
        `most` are they looked up; 0 where nothing is told."""
        part = self._parts.get(sheet)
        if part is None or not part.endswith(".xml"):
            return 0
        columns: set[bytes] = set()
        rows: set[int] = set()
        held = b""
        with zipfile.ZipFile(self._path) as archive, archive.open(part) as file:
            while chunk := file.read(_CHUNK_BYTES):
                if not rows and (said := _said(chunk)) is not None and said <= most:
                    return said
                held += chunk
                end = held.rfind(b">") + 1
                for column, row in _FILLED.findall(held[:end]):
                    columns.add(column)
                    rows.add(int(row))
                rows = {min(rows), max(rows)} if rows else rows
                held = held[end:]
        if not rows:
            return 0
        places = [parse_cell(f"{column.decode()}1")[1] for column in columns]
        return (max(rows) - min(rows) + 1) * (max(places) - min(places) + 1)

    def errors_of(self, sheet: str) -> dict[tuple[int, int], str]:
        """The error values of a sheet by row and column, from 0. Raises ValueError for one whose
        cell is not named."""
        part = self._parts.get(sheet)
        found: dict[tuple[int, int], str] = {}
        if part is None or not part.endswith(".xml"):
            return found
        held = b""
        with zipfile.ZipFile(self._path) as archive, archive.open(part) as file:
            while chunk := file.read(_CHUNK_BYTES):
                held += chunk
                ends = [match.end() for match in _ROW_END.finditer(held)]
                if ends:
                    found |= _errors(held[: ends[-1]])
                    held = held[ends[-1] :]
        return found | _errors(held)


def _said(head: bytes) -> int | None:
    """How many cells a sheet says that it has, formatted ones without a value too."""
    found = _EXTENT.search(head)
    if found is None:
        return None
    first = parse_cell(found[1].decode())
    last = parse_cell((found[2] or found[1]).decode())
    return (last[0] - first[0] + 1) * (last[1] - first[1] + 1)


def _errors(rows: bytes) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    if _IS_ERROR.search(rows) is None:
        return found
    for attributes, inner in _CELL.findall(rows):
        place, value = _PLACE.search(attributes), _VALUE.search(inner)
        if place is None:
            raise ValueError("a cell without a name")
        if value is not None:
            found[parse_cell(place[1].decode())] = value[1].decode()
    return found


def _read(path: Path) -> tuple[dict[str, int], dict[str, str]]:
    """The unpacked size of each part, and which part holds which sheet of an .xlsx; nothing of
    what is no archive, and is told by whoever reads it."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {each.filename: each.file_size for each in archive.infolist()}
            if max(sizes.get(_BOOK, _MOST_BYTES), sizes.get(_LINKS, _MOST_BYTES)) >= _MOST_BYTES:
                return sizes, {}
            book = ET.fromstring(archive.read(_BOOK))  # noqa: S314  # expat bounds its entities
            links = ET.fromstring(archive.read(_LINKS))  # noqa: S314
    except (*DAMAGE, ET.ParseError, LookupError):  # the last of an encoding that nobody knows
        return {}, {}
    targets = {
        link.get("Id"): posixpath.normpath(posixpath.join("/xl", link.get("Target", "")))[1:]
        for link in links
    }
    parts: dict[str, str] = {}
    for element in book.iter():
        if element.tag.rpartition("}")[2] != "sheet":
            continue
        link = next((text for key, text in element.items() if key.endswith("}id")), None)
        name, part = element.get("name"), targets.get(link)
        if name is not None and part in sizes:
            parts[name] = part
    return sizes, parts

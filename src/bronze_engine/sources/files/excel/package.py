"""What the reader of workbooks does not tell: how large a sheet is, where it has errors, and
whether a checksum is wrong.

An .xlsx is a ZIP of XML (ECMA-376); what is neither ZIP nor XML has one size, and no errors.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final
from xml.etree import ElementTree as ET

from bronze_engine.config.files.area import parse_cell
from bronze_engine.sources.files.excel.extent import Extent

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

    def verify(self) -> None:
        """Raise one of DAMAGE where the checksum of a part is wrong, of all but sheets, which are
        read by `cells_of`, and pictures."""
        sheets = set(self._parts.values())
        for part in self._sizes:
            if part not in sheets and not _PICTURES.search(part):
                for _ in self._pieces(part):
                    pass

    def _pieces(self, part: str) -> Iterator[bytes]:
        """A part, unpacked. Raises one of DAMAGE, a wrong checksum behind the last piece."""
        with zipfile.ZipFile(self._path) as archive, archive.open(part) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    def size_of(self, sheet: str) -> int:
        """Bytes of a sheet, unpacked; where they are not told apart, of the largest part."""
        part = self._parts.get(sheet)
        if part is not None:
            return self._sizes[part]
        return max(self._sizes.values(), default=0) or self._path.stat().st_size

    def cells_of(self, sheet: str, most: int) -> int:
        """How many cells lie between the first and the last that hold anything, blank ones too:
        the reader has a place for each. Where the sheet says that they are not more than `most`,
        cells outside of what it says are looked for, and all are looked up only where there are
        some; 0 where nothing is told.

        Reads the sheet to its end. Raises ValueError for a cell that no sheet has, and one of
        DAMAGE.
        """
        part = self._parts.get(sheet)
        if part is None:
            return 0
        extent: Extent | None = None
        columns: set[bytes] = set()
        rows: set[int] = set()
        held, is_first = b"", True
        for chunk in self._pieces(part):
            if not part.endswith(".xml"):
                continue
            held += chunk
            end = held.rfind(b">") + 1
            if is_first:
                is_first, extent = False, Extent.said(held[:end], most)
            if extent is not None and extent.is_left(held[:end]):
                columns, rows = set(extent.columns), set(extent.rows)
                extent = None
            if extent is None:
                for column, row in _FILLED.findall(held[:end]):
                    columns.add(column)
                    rows.add(int(row))
                rows = {min(rows), max(rows)} if rows else rows
            held = held[end:]
        if extent is not None:
            return extent.cells
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
        for chunk in self._pieces(part):
            held += chunk
            ends = [match.end() for match in _ROW_END.finditer(held)]
            if ends:
                found |= _errors(held[: ends[-1]])
                held = held[ends[-1] :]
        return found | _errors(held)


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

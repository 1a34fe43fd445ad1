"""What the reader of workbooks does not tell: how large a sheet is, and where it has errors.

An .xlsx is a ZIP of XML (ECMA-376); what is neither ZIP nor XML has one size, and no errors.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from pathlib import Path
from typing import Final, final
from xml.etree import ElementTree as ET

from bronze_engine.config.files.area import parse_cell

__all__ = ["Package"]

_CHUNK_BYTES: Final = 1024**2
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
"""The stream of a compound file that holds an encrypted .xlsx ([MS-OFFCRYPTO] 2.3.4.4)."""
_COMPOUND: Final = b"\xd0\xcf\x11\xe0"
_HEAD_BYTES: Final = 1024**2

_IS_ERROR: Final = re.compile(rb"""\bt=["']e["']""")
_CELL: Final = re.compile(
    rb"""<(?:\w+:)?c\b([^>]*\bt=["']e["'][^>]*)>(.*?)</(?:\w+:)?c>""", re.DOTALL
)
_PLACE: Final = re.compile(rb"""\br=["']([A-Z]+[0-9]+)["']""")
_VALUE: Final = re.compile(rb"<(?:\w+:)?v>([^<]*)<")
_ROW_END: Final = re.compile(rb"</(?:\w+:)?row>")


@final
class Package:
    """One file, opened anew at each question."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts = _sheet_parts(path) if zipfile.is_zipfile(path) else {}

    @property
    def is_encrypted(self) -> bool:
        with self._path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        return head.startswith(_COMPOUND) and _ENCRYPTED in head

    def size_of(self, sheet: str) -> int:
        """Bytes of a sheet, unpacked; where they are not told apart, of the largest part."""
        if not zipfile.is_zipfile(self._path):
            return self._path.stat().st_size
        with zipfile.ZipFile(self._path) as archive:
            part = self._parts.get(sheet)
            if part is not None:
                return archive.getinfo(part).file_size
            return max((each.file_size for each in archive.infolist()), default=0)

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


def _sheet_parts(path: Path) -> dict[str, str]:
    """The part of the archive that holds each sheet of an .xlsx; nothing for other archives."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
            return {}
        try:
            book = ET.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314  # expat bounds entities
            links = ET.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
        except ET.ParseError:
            return {}
    targets = {
        link.get("Id"): posixpath.normpath(posixpath.join("/xl", link.get("Target", "")))[1:]
        for link in links
    }
    found: dict[str, str] = {}
    for element in book.iter():
        if element.tag.rpartition("}")[2] != "sheet":
            continue
        link = next((text for key, text in element.items() if key.endswith("}id")), None)
        part = targets.get(link)
        name = element.get("name")
        if name is not None and part in names:
            found[name] = part
    return found

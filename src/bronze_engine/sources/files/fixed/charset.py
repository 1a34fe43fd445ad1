"""Bytes as units that start and width count: bytes, where that will do, else code points."""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np

from bronze_engine.config.files.encodings import is_utf8, keeps_ascii, single_bytes

__all__ = ["BAD", "Charset", "Units", "is_ascii", "is_text"]

Units = np.ndarray[Any, Any]
"""uint8: bytes of UTF-8. uint32: a code point each."""

BAD: Final = 0xFFFFFFFF
"""In place of a byte that the encoding gives no character."""

_SURROGATES: Final = (0xDC80, 0xDCFF)
"""What Python makes of bytes that are no UTF-8, to be told apart later."""


def is_ascii(units: Units) -> bool:
    return not units.size or int(units.max()) < 128


def is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@final
class Charset:
    """One encoding, and what its widths count."""

    def __init__(self, encoding: str, widths: str) -> None:
        points = None if is_utf8(encoding) else single_bytes(encoding)
        self._table: Units | None = None
        if points is not None:
            known = [BAD if point is None else point for point in points]
            self._table = np.array(known, np.uint32)
        self._has_points = widths == "characters"
        self._keeps_ascii = keeps_ascii(encoding)

    @property
    def keeps_bytes(self) -> bool:
        """Whether a unit stands where its byte stands, so that places of bytes are places of it."""
        return self._table is not None or not self._has_points

    def units(self, data: bytes) -> Units:
        """The units of whole lines. A byte that is no character is BAD, or left among bytes."""
        raw = np.frombuffer(data, np.uint8)
        if self._keeps_ascii and is_ascii(raw):
            return raw
        if self._table is not None:
            points = self._table[raw]
            return points.astype(np.uint8) if is_ascii(points) else points
        if not self._has_points:
            return raw
        text = data.decode("utf-8", "surrogateescape")
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).copy()
        low, high = _SURROGATES
        points[(points >= low) & (points <= high)] = BAD
        return points

"""Whether the lines of a fixed-width file say that their places are those of characters."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bronze_engine.config.files.fixed import FixedFiles
from bronze_engine.sources.files.fixed.framer import Framer
from bronze_engine.sources.files.fixed.plan import plan_of

pytestmark = pytest.mark.unit

FIELDS = [{"name": "id", "width": 3}, {"name": "name", "width": 5}, {"name": "city", "width": 6}]


def seen(text: str | bytes, pieces: int = 1 << 20, **options: Any) -> bool | None:
    form = msgspec.convert({"fields": FIELDS, **options}, FixedFiles)
    framer = Framer(plan_of(form, keeps_lines=False), 1, "inbox/file.txt")
    data = text if isinstance(text, bytes) else text.encode()
    for at in range(0, len(data), pieces):
        framer.feed(data[at : at + pieces])
    framer.finish()
    return framer.seems_counted_in_characters


EVEN = "001MeierBern  \n002Ünal Zürich\n003Maier      \n"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("before", [0, 900])
def test_lines_of_as_many_characters_and_not_as_many_bytes(end: str, before: int) -> None:
    lines = [f"{number:03}MeierBern  \n" for number in range(before)]
    assert seen("".join([*lines, EVEN]).replace("\n", end))


def test_lines_of_as_many_bytes_say_nothing_of_the_kind() -> None:
    padded = [
        line.encode() + b" " * (16 - len(line.encode())) for line in ("001Ünal Bern", "002Meier")
    ]
    assert seen(b"\n".join([*padded, b""])) is False


@pytest.mark.parametrize(
    "text",
    ["001ÜnalxBern\n002Meier\n", "001Ünal Bern  \n", EVEN.replace("Ü", "\udcff")],
    ids=["cut at their ends", "one line", "no UTF-8"],
)
def test_lines_that_tell_nothing(text: str) -> None:
    assert seen(text.encode("utf-8", "surrogateescape")) is False


def test_nothing_is_to_be_said_where_bytes_are_characters() -> None:
    assert seen("001MeierBern  \n002Maier      \n") is None
    assert seen(EVEN, widths="characters") is False
    assert seen(EVEN.encode("cp1252"), encoding="cp1252") is False
    assert seen(EVEN, record_length=16) is False

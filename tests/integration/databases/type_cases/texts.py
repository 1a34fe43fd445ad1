"""Text, and what is near it: bytes, JSON, enums, domains, bits."""

from __future__ import annotations

from typing import Final

from tests.integration.databases.type_cases.case import MOOD, PERCENT, TypeCase

__all__ = ["TEXTS"]

TEXTS: Final = (
    TypeCase(
        declared="boolean", arrow="bool", how="binary", group="Text and the like",
        values=("t", "f"), random="random() < 0.5",
    ),
    TypeCase(
        declared="text", arrow="string", how="binary", group="Text and the like",
        values=("", "NULL", "\\N", "a\nb\r\tc", "漢字 😀 é", "\x01\x7f", "0" * 5000, "ﬀ\u2028"),
        random="word()", note="empty is not NULL",
    ),
    TypeCase(
        declared="varchar(20)", arrow="string", how="binary", group="Text and the like",
        values=("", " padded ", "é" * 20), random="word()",
    ),
    TypeCase(
        declared="char(5)", arrow="string", how="binary", group="Text and the like",
        values=("", "ab", "é", "12345"), random="left(word(), 5)",
        note="padded with spaces, as it is stored",
    ),
    TypeCase(
        declared="name", arrow="string", how="binary", group="Text and the like",
        values=("", "a name", "é" * 20), random="word()",
    ),
    TypeCase(
        declared='"char"', arrow="string", how="text", group="Text and the like",
        values=("", "a", "~"), random='chr(32 + (random() * 94)::int)::"char"',
    ),
    TypeCase(
        declared="citext", arrow="string", how="text", group="Text and the like",
        setup="CREATE EXTENSION citext;", needs="citext", values=("", "MiXed"), random="word()",
        note="as any type of an extension",
    ),
    TypeCase(
        declared="bytea", arrow="binary", how="binary", group="Text and the like",
        values=("\\x", "\\x00", "\\xff00ff", "\\x5c78", "\\x0001000000040000000100010000000400"),
        random="decode(repeat(md5(random()::text), (random() * 3)::int), 'hex')",
    ),
    TypeCase(
        declared="uuid", arrow="string", how="binary", group="Text and the like",
        values=("00000000-0000-0000-0000-000000000000", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff"),
        random="md5(random()::text)::uuid",
    ),
    TypeCase(
        declared="json", arrow="string", how="binary", group="Text and the like",
        values=('{"b": 1,\n "a":  1.10, "b": 2}', "null", '"\\u00e9"', "[]", "1234567890123456789"),
        random="json_build_object('k', word(), 'n', big())",
        note="byte for byte, with its white space and repeated keys",
    ),
    TypeCase(
        declared="jsonb", arrow="string", how="binary", group="Text and the like",
        values=('{"b": 1, "a": 1.10}', "null", '"é"', "[]", "1e400", '{"": [[], {}]}'),
        random="jsonb_build_object('k', word(), 'n', big() / 1000.0)",
        note="as the server prints it",
    ),
    TypeCase(
        declared="xml", arrow="string", how="text", group="Text and the like", needs="libxml",
        values=('<a b="c">é</a>', "text", "<a/><b/>"), random="xmlelement(name a, word())",
    ),
    TypeCase(
        declared="mood", arrow="string", how="binary", group="Text and the like", setup=MOOD,
        values=("sad", "very happy", "über"),
        random="(ARRAY['sad', 'ok', 'very happy', 'über'])[1 + (g % 4)]::mood",
        note="any enum: the label",
    ),
    TypeCase(
        declared="share", arrow="decimal128(5, 2)", how="binary", group="Text and the like",
        setup=PERCENT, values=("0", "-999.99"), special=("NaN",), random="digits(5) / 100",
        note="any domain: as what it is over, here `numeric(5,2)` two domains down",
    ),
    TypeCase(
        declared="bit(5)", arrow="string", how="text", group="Text and the like",
        values=("00000", "10101"), random="(big() % 32)::int::bit(5)",
    ),
    TypeCase(
        declared="bit varying", arrow="string", how="text", group="Text and the like",
        values=("", "1", "0" * 70), random="big()::bit(64)",
    ),
)  # fmt: skip

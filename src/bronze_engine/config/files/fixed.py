"""[….source.fixed]: where the fields of fixed-width lines stand."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = ["FixedCheck", "FixedField", "FixedFiles", "FixedMatch", "FixedRecord", "Sign", "Trim"]

Count = Annotated[int, msgspec.Meta(ge=1)]
Trim = Literal["both", "left", "right", "none"]
Sign = Literal["leading", "trailing", "overpunch"]


class FixedField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[….source.fixed.fields]]: one field of a record."""

    name: str
    """Of the column."""
    width: Count
    """How many bytes or characters it has, as `fixed.widths` counts."""
    start: Count | None = None
    """Place of its first byte or character, from 1; where unset it follows the field before."""
    trim: Trim | None = None
    """At which ends blanks are cut; where unset as `fixed.trim` says."""
    pad: str | None = None
    """What else fills it up, one character: "0" before a number, whose last zero stays."""
    null_values: list[str] | None = None
    """In place of `fixed.null_values`."""
    scale: Annotated[int, msgspec.Meta(ge=0, le=76)] | None = None
    """Digits behind a decimal point that is not written: 2 for 9(7)V99. A field with one is a
    decimal(width, scale) where `schema.columns` does not say otherwise."""
    sign: Sign | None = None
    """Where a number has its sign: before it, behind it ("125-"), or in its last digit ("12N",
    as COBOL's zoned numbers are written)."""


class FixedMatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[….records.NAME.when]: how a record tells its kind."""

    start: Count
    """Place of the code, from 1."""
    width: Count | None = None
    """Of the code; where unset as long as the longest of `equals`. Shorter ones are filled up
    with blanks."""
    equals: str | list[str]
    """The code that this kind of record has there; a list where it has one of several."""

    @property
    def codes(self) -> list[str]:
        """The codes, each as wide as the place where it stands."""
        given = [self.equals] if isinstance(self.equals, str) else self.equals
        width = self.width or max(map(len, given), default=0)
        return [code.ljust(width) for code in given]


class FixedRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[….source.fixed.records.NAME]: one kind of record among several in a file."""

    when: FixedMatch | None = None
    """Unset for the one kind that is all the others are not."""
    fields: list[FixedField] = []
    """The fields of this kind of record."""


class FixedCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[….source.fixed.checks]]: what a record says of the others, compared with what came.
    A difference, and a file without such a record, is QUAL001."""

    total: str
    """The field that says it: "trailer.records"."""
    count: str | None = None
    """The kind of record that it counts: "detail"."""
    sum: str | None = None
    """The field that it adds up: "detail.amount"."""
    since: str | None = None
    """Count and sum begin anew at each record of this kind; where unset with the file."""


class FixedFiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lines, or records of one length, whose fields stand at fixed places. Every value is a text;
    `schema.columns` makes others of them. Blank lines are passed over."""

    fields: list[FixedField] = []
    """The fields, where all records are of one kind."""
    records: dict[str, FixedRecord] = {}
    """The kinds of records, where there are several."""
    land: str | None = None
    """Which of `records` lands, a row each."""
    carry: dict[str, str] = {}
    """Columns that each row gets from the last record of another kind before it: column =
    "header.date". A row without such a record before it is rejected."""
    checks: list[FixedCheck] = []
    """What records say of the others, such as a trailer's count, compared with what came."""
    encoding: str = "utf-8"
    """What the bytes are: utf-8, or any encoding of one byte a character that Python knows:
    cp1252, latin-1, cp037 and cp500 (EBCDIC, which need record_length)."""
    widths: Literal["bytes", "characters"] = "bytes"
    """What start and width count, where a character of UTF-8 has several bytes."""
    record_length: Count | None = None
    """Bytes of each record of a file without line ends."""
    line_length: Count | None = None
    """What a line has; where unset, up to where its last field ends."""
    skip_lines: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Lines, or records, before the first that counts."""
    trim: Trim = "both"
    """At which ends of each field blanks are cut."""
    null_values: list[str] = msgspec.field(default_factory=lambda: [""])
    """What means NULL once it is trimmed: blank fields, as it is set."""
    on_short: Literal["reject", "pad"] = "reject"
    """What to do with a line that ends too early: reject it, or take it as if blanks followed."""
    on_long: Literal["reject", "cut"] = "reject"
    """What to do with a line that goes on, with more than blanks."""
    on_unknown: Literal["reject", "skip"] = "reject"
    """What to do with a record that is of none of the kinds."""

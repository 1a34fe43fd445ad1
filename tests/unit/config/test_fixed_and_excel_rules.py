"""What [….source.fixed] and [….source.excel] may get wrong is told before anything is opened."""

from __future__ import annotations

import pytest

from bronze_engine.config.load import parse_config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import ConfigError

pytestmark = pytest.mark.unit

FIELDS = 'fields = [{ name = "a", width = 3 }, { name = "b", start = 6, width = 2 }]\n'
KINDS = """
land = "detail"
[pipelines.t.p.source.fixed.records.header]
when = { start = 1, equals = "H" }
fields = [{ name = "date", start = 2, width = 8 }]
[pipelines.t.p.source.fixed.records.detail]
when = { start = 1, equals = "D" }
fields = [{ name = "id", start = 2, width = 3 }]
"""


def config_of(form: str, text: str) -> Pipeline:
    return parse_config(
        f"""
        [engine]
        target = "bronze"
        [pipelines.t.p]
        load = "full"
        [pipelines.t.p.source]
        type = "files"
        url = "inbox/*"
        format = "{form}"
        [pipelines.t.p.source.{form}]
        {text}
        """
    ).pipeline("t.p")


def check(form: str, text: str) -> None:
    config_of(form, text)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("fixed", FIELDS),
        ("fixed", FIELDS + "line_length = 7"),
        ("fixed", FIELDS + 'encoding = "cp037"\nrecord_length = 10'),
        ("fixed", FIELDS + 'encoding = "latin-1"'),
        ("fixed", KINDS),
        ("fixed", KINDS.replace("[", 'carry = { day = "header.date" }\n[', 1)),
        ("excel", 'sheet = 2\nrange = "B3:F"\nheader_row = 3'),
        ("excel", 'columns = ["a", "b"]'),
    ],
)
def test_what_is_right(form: str, text: str) -> None:
    check(form, text)


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("fixed", "skip_lines = 1", "needs fields"),
        ("fixed", FIELDS + KINDS, "says both fields and records"),
        ("fixed", FIELDS + "line_length = 6", "ends at 7, past line_length = 6"),
        ("fixed", FIELDS.replace('"b"', '"a"'), "the name of another field"),
        ("fixed", FIELDS.replace("width = 2", 'width = 2, pad = "00"'), "one character of ASCII"),
        ("fixed", FIELDS + 'encoding = "utf-16"', "neither UTF-8 nor an encoding of one byte"),
        ("fixed", FIELDS + 'encoding = "shift_jis"', "neither UTF-8 nor an encoding of one byte"),
        ("fixed", FIELDS + 'encoding = "nope"', "neither UTF-8 nor an encoding of one byte"),
        ("fixed", FIELDS + 'encoding = "cp037"', "is missing: cp037 has no line ends"),
        ("fixed", FIELDS + "record_length = 9\nline_length = 9", "record_length is for files"),
        ("fixed", FIELDS + 'record_length = 9\non_long = "cut"', "record_length is for files"),
        (
            "fixed",
            FIELDS + 'record_length = 9\nwidths = "characters"',
            "record_length counts bytes",
        ),
        ("fixed", FIELDS + 'land = "detail"', "is for files with several kinds of records"),
        ("fixed", FIELDS + 'on_unknown = "skip"', "is for files with several kinds of records"),
        ("fixed", KINDS.replace('land = "detail"', ""), 'which of "header", "detail" lands'),
        ("fixed", KINDS.replace('land = "detail"', 'land = "detai"'), 'did you mean "detail"?'),
        ("fixed", KINDS.replace('equals = "D"', 'equals = ""'), "is empty"),
        ("fixed", KINDS.replace('equals = "D"', 'width = 1, equals = "DD"'), "longer than width"),
        (
            "fixed",
            KINDS.replace("[", 'carry = { day = "header.day" }\n[', 1),
            '"day" is unknown; known are "date"',
        ),
        (
            "fixed",
            KINDS.replace("[", 'carry = { id = "header.date" }\n[', 1),
            'is the name of a field of "detail" too',
        ),
        (
            "fixed",
            KINDS.replace("[", 'carry = { x = "detail.id" }\n[', 1),
            "take a field of another kind",
        ),
        (
            "fixed",
            KINDS + '[[pipelines.t.p.source.fixed.checks]]\ntotal = "header.date"',
            "needs one of `count` and `sum`",
        ),
        (
            "fixed",
            KINDS + '[[pipelines.t.p.source.fixed.checks]]\ntotal = "trailer.n"\ncount = "detail"',
            '"trailer" is unknown',
        ),
        (
            "fixed",
            KINDS.replace('when = { start = 1, equals = "H" }', "").replace(
                'when = { start = 1, equals = "D" }', ""
            ),
            'and "header" is already the kind of all that are of no other',
        ),
        (
            "fixed",
            'on_unknown = "skip"\n' + KINDS.replace('when = { start = 1, equals = "H" }', ""),
            'all others are of kind "header"',
        ),
        (
            "fixed",
            FIELDS + 'encoding = "cp1252"\n[pipelines.t.p.schema]\nraw = true',
            "must be utf-8 for schema.raw",
        ),
        ("excel", 'range = "B3"', "no range of cells"),
        ("excel", 'range = "B3:F9"\nheader_row = 2', "is outside of range"),
        ("excel", 'columns = ["a"]\nheader_row = 2', "columns says them too"),
        ("excel", 'columns = ["a", "a"]', "'a' is the name of two columns"),
        ("excel", 'columns = ["a"]\nsheet_column = "a"', "'a' is the name of two columns"),
        ("excel", 'columns = [""]', "a name is empty"),
        ("excel", 'sheet = ""', "is empty"),
        ("excel", "sheet = 0", "sheet"),
        ("excel", "max_sheet_bytes = 0", "must be above zero"),
    ],
)
def test_what_is_wrong(form: str, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(form, text)
    assert said in caught.value.message
    assert caught.value.code == "CFG001"


def test_a_table_of_another_format_is_told() -> None:
    text = FIELDS + "[pipelines.t.p.source.excel]\nsheet = 2\n"
    with pytest.raises(ConfigError, match=r'excel: is for format = "excel"'):
        check("fixed", text)


def test_what_is_as_usual_and_limits_do_not_count_for_the_hash() -> None:
    def hash_of(form: str, text: str) -> str:
        return config_of(form, text).config_hash

    plain = hash_of("fixed", FIELDS)
    assert hash_of("fixed", FIELDS.replace("width = 3", 'width = 3, sign = "leading"')) != plain
    assert hash_of("fixed", FIELDS + 'on_short = "reject"') == plain
    assert hash_of("excel", "max_sheet_bytes = 100") == hash_of("excel", "sheet = 1")
    assert hash_of("excel", "sheet = 2") != hash_of("excel", "sheet = 1")

"""What probably divides the fields of a file that its delimiter does not divide."""

from __future__ import annotations

import pytest

from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.sources.files.csv.dialect import Dialect
from bronze_engine.sources.files.csv.division import likely_delimiter

pytestmark = pytest.mark.unit


def likely(text: str, delimiter: str = ",", quote: str = '"') -> str | None:
    return likely_delimiter(text.encode(), Dialect.of(CsvFiles(quote=quote), delimiter))


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "^", "~", "\x1f"])
def test_what_divides_the_first_records_alike_is_likely(delimiter: str) -> None:
    text = 'id;name;price\n1;"Meier; Sohn";1,50\n2;Ann;2,50\n'.replace(";", delimiter)
    assert likely(text) == delimiter
    assert likely("id;name\n".replace(";", delimiter)) == delimiter, "a file of names alone"


def test_commas_are_likely_where_another_delimiter_is_set() -> None:
    assert likely("id,name\n1,a\n", ";") == ","


def test_the_delimiter_that_gives_most_fields_is_the_likely_one() -> None:
    assert likely("a|b;c|d;e|f\n1|2;3|4;5|6\n") == "|"


def test_a_few_records_of_another_number_of_fields_do_not_hide_it() -> None:
    text = "a;b\n" + "1;2\n" * 8 + "odd\n1;2;3\n"
    assert likely(text) == ";"


@pytest.mark.parametrize(
    "text",
    [
        "id,name\n1,a;b\n",
        "note\na; b\nc\n",
        '"a;b"\n"1;2"\n',
        "name\nAnn\n",
        "",
        "\n",
    ],
    ids=["divided already", "texts of one column", "within quotes", "one column", "empty", "blank"],
)
def test_nothing_else_is_likely(text: str) -> None:
    assert likely(text) is None


def test_a_record_that_is_cut_off_does_not_count() -> None:
    assert likely("a;b;c\n1;2;3\n4;5") == ";"
    assert likely('a;b\n1;"x\n') == ";", "a quote that is closed further on"


def test_quotes_that_mean_nothing_divide_nothing() -> None:
    assert likely('a;"b\n1;2"\n', quote="") == ";"

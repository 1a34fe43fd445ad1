"""What [….source.csv] of files may get wrong is told before anything is opened."""

from __future__ import annotations

import pytest

from bronze_engine.config.load import parse_config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import ConfigError

pytestmark = pytest.mark.unit


def config_of(text: str, form: str = "csv", more: str = "") -> Pipeline:
    return parse_config(
        f'[engine]\ntarget = "bronze"\n[pipelines.t.p.source]\ntype = "files"\nurl = "inbox/*"\n'
        f'format = "{form}"\n[pipelines.t.p.source.csv]\n{text}\n{more}'
    ).pipeline("t.p")


@pytest.mark.parametrize(
    "text",
    [
        'delimiter = ";"\nquote = "\'"\nescape = "\\\\"\ndouble_quotes = false\ncomment = "--"',
        'quote = ""\nencoding = "cp1252"\nskip_lines = 3\nskip_footer = 1\ntrim = true',
        'columns = ["a", "b"]\nnull_values = ["", "NA"]\non_ragged = "pad"\ntypes = "infer"',
        'repeated_header = "skip"\nmax_record_bytes = "1GiB"',
    ],
)
@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_what_files_may_be_like(text: str, form: str) -> None:
    config_of(text, form)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('delimiter = "||"', 'csv.delimiter: must be one ASCII character, such as ","'),
        ('delimiter = "\\n"', "csv.delimiter: must be one ASCII character"),
        ('delimiter = "§"', "csv.delimiter: must be one ASCII character"),
        ('quote = "«"', 'csv.quote: must be one ASCII character, or "" for none'),
        ('delimiter = "\'"\nquote = "\'"', "csv.quote: is the delimiter too"),
        ('quote = ""\ndouble_quotes = false', "csv.double_quotes: has no effect where quote"),
        ('escape = ""', "csv.escape: must be one ASCII character"),
        ('escape = "\\""', "csv.escape: is the quote too"),
        ('delimiter = "|"\nescape = "|"', "csv.escape: is the delimiter too"),
        ('comment = ""', "csv.comment: must be what a line begins with"),
        ('comment = "#\\n"', "csv.comment: must be what a line begins with"),
        ('comment = "\\"#"', "csv.comment: begins with the quote"),
        ('columns = ["a", ""]', "csv.columns: holds an empty name, or one twice"),
        ('columns = ["a", "a"]', "csv.columns: holds an empty name, or one twice"),
        (
            'columns = ["a"]\nrepeated_header = "skip"',
            "csv.repeated_header: has no effect beside columns",
        ),
        ('trim = true\nnull_values = [" "]', 'csv.null_values: holds " ", whose blanks trim'),
        ('encoding = "ebcdic"', 'csv.encoding: "ebcdic" is no encoding; write "utf-8"'),
        ('encoding = "hex"', 'csv.encoding: "hex" is no encoding'),
        ('encoding = "undefined"', 'csv.encoding: "undefined" is no encoding'),
        ('encoding = "idna"', 'csv.encoding: "idna" is no encoding'),
        (
            "escape = '\\'\nnull_values = ['\\N']",
            'csv.null_values: holds "\\\\N", of which escape takes "\\\\" before',
        ),
        ("max_record_bytes = 0", "csv.max_record_bytes: must be above zero"),
        ('max_record_bytes = "2GiB"', "csv.max_record_bytes: must be above zero, and at most 1GiB"),
        ("skip_footer = 1001", "csv.skip_footer"),
        ('on_ragged = "drop"', "csv.on_ragged"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(text)
    assert f"pipelines.t.p.source.{message}" in caught.value.message


def test_objects_and_lists_are_no_matter_of_texts() -> None:
    for key in ('nested = "json"', 'flatten = "__"'):
        with pytest.raises(ConfigError, match='has no effect: the values of "csv" are texts'):
            config_of("", more=f"[pipelines.t.p.schema]\n{key}")


def test_the_table_is_for_its_formats() -> None:
    with pytest.raises(ConfigError, match='csv: is for format = "csv" or "tsv"'):
        config_of("trim = true", "ndjson")

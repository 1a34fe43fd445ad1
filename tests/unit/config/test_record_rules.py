"""What contradicts itself about records and formats is CFG001, with the key and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.http.envelope import EnvelopePath, parse_envelope_path
from bronze_engine.errors import ConfigError
from tests.unit.config.files import http_of, load

pytestmark = pytest.mark.unit

HERE = "pipelines.myteam.orders.source"


def config(source: str) -> str:
    return (
        '[apis.shop]\nbase_url = "https://shop.example/v1"\n'
        f'[{HERE}]\ntype = "http"\napi = "shop"\n{source}\n'
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('records = "data."', 'records: "data." is no dotted path; write data.items'),
        (
            'records = "data[0].items"',
            "a JSONPath begins with $: $.data[0].items",
        ),
        ('records = "$.a[?@.b]"', 'records: "$.a[?@.b]": filters, [?...], are not supported'),
        ('records = ["a", "$.b["]', 'records: "$.b[": can\'t be read from'),
        ("records = []", "records: is an empty list"),
        ('format = "csv"\nsingle_record = true', 'single_record: is for format = "json"'),
        ('single_record = true\nrecord_kind = "value"', "single_record: is an object; leave"),
        ('records = ["a", "a"]', "records: names a path twice"),
        ('record_set = "kind"', "record_set: tells record sets apart; give `records` a list"),
        ('records = ["a"]\nrecord_set = "k"', "record_set: tells record sets apart"),
        ('records = ["a", "b"]\nrecord_set = ""', "record_set: is an empty name"),
        ('envelope = {at = "meta."}', 'envelope.at: "meta." is no path; write meta.exported_at'),
        ('envelope = {at = "^."}', 'envelope.at: "^." is no path'),
        ('envelope = {at = "$.a[*]"}', "envelope.at: must lead to one value, by names alone"),
        ('envelope = {at = "$.a["}', "envelope.at: can't be read from"),
        ('envelope = {"" = "a"}', "is an empty name of a column"),
        (
            'record_kind = "value"\nenvelope = {value = "a"}',
            'envelope.value: is a column twice: record_kind = "value" fills it too',
        ),
        (
            'records = ["a", "b"]\nrecord_set = "k"\nenvelope = {k = "a"}',
            "record_set: is a column twice: envelope fills it too",
        ),
        ('record_kind = "array"', "record_keys: is missing"),
        ('record_kind = "array"\nrecord_keys = ["a", "a"]', "record_keys: holds an empty name, or"),
        ('record_kind = "array"\nrecord_keys = [""]', "record_keys: holds an empty name, or"),
        ('record_keys = ["a"]', 'record_keys: names the elements of record_kind = "array"'),
        (
            'record_kind = "array"\nrecord_keys = ["a"]\nenvelope = {a = "b"}',
            "envelope.a: is a column twice: record_keys fills it too",
        ),
        ('format = "xml"', "format: expected"),
        ('format = "ndjson"\nrecords = "a"', 'records: is for format = "json": ndjson has no body'),
        ('format = "csv"\nenvelope = {a = "b"}', 'envelope: is for format = "json": csv has no'),
        ('format = "csv"\nrecord_kind = "value"', "record_kind: is for JSON: each line of"),
        (
            'format = "csv"\npaginator = {type = "next_url", next_path = "a"}',
            "paginator.type: reads what stands around the records, and csv has nothing there",
        ),
        ('format = "ndjson"\npaginator = {type = "auto"}', "paginator.type: reads what stands"),
        (
            'format = "csv"\npaginator = {type = "page", total_path = "t"}',
            'paginator.total_path: is for format = "json"',
        ),
        ('csv = {delimiter = ";"}', 'csv: is for format = "csv" only'),
        ('format = "csv"\ncsv = {delimiter = ""}', "csv.delimiter: must be one ASCII character"),
        ('format = "csv"\ncsv = {delimiter = "||"}', "csv.delimiter: must be one ASCII character"),
        ('format = "csv"\ncsv = {delimiter = "\\n"}', "csv.delimiter: must be one ASCII character"),
        ('format = "csv"\ncsv = {quote = "ab"}', 'csv.quote: must be one ASCII character, or ""'),
        ('format = "csv"\ncsv = {quote = ","}', "csv.quote: is the delimiter too"),
        (
            'format = "csv"\ncsv = {columns = ["a", "a"]}',
            "csv.columns: holds an empty name, or one",
        ),
        ('format = "csv"\ncsv = {encoding = "klingon"}', 'csv.encoding: "klingon" is no encoding'),
        ('format = "csv"\ncsv = {encoding = "hex"}', 'csv.encoding: "hex" is no encoding'),
        ('format = "csv"\ncsv = {skip_lines = -1}', "csv.skip_lines: expected a whole number"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, config(source)).pipeline("myteam.orders")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("", None),
        ('records = "data.items"', "data.items"),
        ('records = "$.data.items[*]"', "data.items"),
        ('records = "$.data[*].items"', None),
        ("records = \"$['a.b']\"", None),
        ('records = ["a", "b"]\nrecord_set = "k"\nenvelope = {x = "^.y?"}', None),
        ('format = "csv"\ncsv = {delimiter = "\\t", quote = "", encoding = "utf-16"}', None),
        ('format = "ndjson"\nrecord_kind = "value"\npaginator = {type = "page"}', None),
        ('record_kind = "array"\nrecord_keys = ["a"]\nenvelope = {b = "$.c"}', None),
    ],
)
def test_what_fits_is_taken(tmp_path: Path, source: str, path: str | None) -> None:
    loaded = http_of(load(tmp_path, config(source)).pipeline("myteam.orders"))
    assert loaded.list_path == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("meta.at", EnvelopePath(names=("meta", "at"))),
        ("^.id?", EnvelopePath(names=("id",), is_above=True, is_optional=True)),
        ("$.a['b.c']", EnvelopePath(names=("a", "b.c"), is_exact=True)),
        ("$.a?", EnvelopePath(names=("a",), is_exact=True, is_optional=True)),
    ],
)
def test_paths_of_the_envelope(text: str, path: EnvelopePath) -> None:
    assert parse_envelope_path(text) == path

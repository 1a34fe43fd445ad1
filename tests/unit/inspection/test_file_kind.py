"""What a file holds is told by its name and by how it begins."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.cli.commands.inspect_files import names_files
from bronze_engine.errors import ExtractError
from bronze_engine.inspection.file_draft import FileDraft
from bronze_engine.inspection.file_kind import date_in_names, kind_of, members_of_kind, packed_kind
from bronze_engine.inspection.variables import Variables

pytestmark = pytest.mark.unit

INFER: dict[str, Any] = {"types": "infer"}


@pytest.mark.parametrize(
    ("name", "head", "form", "csv"),
    [
        ("a.csv", b"id,name\n1,a\n2,b\n", "csv", INFER),
        ("a.txt", b"id;name\n1;a,b\n2;b,c,d\n", "csv", {"delimiter": ";", **INFER}),
        ("a", b"id\tname\n1\ta\n", "tsv", INFER),
        ("a.csv", b"id|name\n1|'a|b'\n2|'b'\n", "csv", {"delimiter": "|", "quote": "'", **INFER}),
        ("a.csv", b"id\n007\n", "csv", INFER),
        ("a.csv", b'id,note\n1,"two\nlines, one record"\n2,b\n', "csv", INFER),
        ("a.csv", b"Report of May\n\nid,name\n1,a\n2,b\n3,c\n", "csv", {"skip_lines": 1, **INFER}),
        ("a.csv", b"# made by hand\nid,name\n1,a\n", "csv", {"comment": "#", **INFER}),
        ("a.csv", b"id,,id\n1,a,b\n2,b,c\n", "csv", INFER),
        ("a.csv", b"1,a\n2,b\n", "csv", {"columns": ["column_1", "column_2"], **INFER}),
        ("a.csv", "id,name\n1,Ümit\n".encode("cp1252"), "csv", {"encoding": "cp1252", **INFER}),
        ("a.csv", "id,name\n1,Ümit\n".encode("utf-16"), "csv", INFER),
        (
            "a.csv",
            "id,name\n1,Ümit\n".encode("utf-16-be"),
            "csv",
            {"encoding": "utf-16-be", **INFER},
        ),
        ("a.csv", "\ufeffid,name\n1,Ümit\n".encode(), "csv", INFER),
    ],
)
def test_delimited(name: str, head: bytes, form: str, csv: dict[str, Any]) -> None:
    found = kind_of(name, head, is_whole=True)
    assert (found.format, found.settings["csv"]) == (form, csv)


@pytest.mark.parametrize(
    ("name", "head", "form", "settings"),
    [
        ("a", b'{"id": 1}\n{"id": 2}\n', "ndjson", {}),
        ("a.jsonl", b'{"id": 1}\n', "ndjson", {}),
        ("a.json", b'{"id": 1}', "json", {}),
        ("a.json", b' [{"id": 1}]', "json", {}),
        ("a", b'{"at": 1,\n "data": {"items": [{"id": 1}]}}', "json", {"records": "data.items"}),
    ],
)
def test_json(name: str, head: bytes, form: str, settings: dict[str, Any]) -> None:
    found = kind_of(name, head, is_whole=True)
    assert (found.format, found.settings) == (form, settings)


def test_a_record_that_is_cut_off_does_not_count() -> None:
    head = b"id,name\n1,a\n2,b\n3"
    assert kind_of("a.csv", head, is_whole=False).format == "csv"
    cut_within_a_character = "id,name\n1,Ü".encode()[:-1]
    assert kind_of("a.csv", cut_within_a_character, is_whole=False).facts["encoding"] == "utf-8"


def packed(*members: str) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for member in members:
            archive.writestr(member, "x")
    return body.getvalue()


def stream() -> bytes:
    sink = io.BytesIO()
    table = pa.table({"id": [1]})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "head", "form"),
    [
        ("a", b"PAR1" + b"\0" * 20, "parquet"),
        ("a", b"ARROW1\0\0", "arrow"),
        ("a", stream(), "arrow"),
        ("a", packed("[Content_Types].xml", "xl/workbook.xml"), "excel"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel"),
    ],
)
def test_formats_with_a_compression_of_their_own(name: str, head: bytes, form: str) -> None:
    found = packed_kind(name, head)
    assert found is not None
    assert found.format == form


def test_archives_and_texts_are_none_of_these() -> None:
    assert packed_kind("a", packed("a.csv")) is None
    assert packed_kind("a.csv", b"id,name\n") is None


@pytest.mark.parametrize(
    ("name", "head", "said"),
    [
        ("a.dat", b"0001ab  12\n0002cd  34\n0003ef  56\n", "may be fixed-width"),
        ("a.txt", b"Dear all,\nas we said\nyesterday\n", "nothing divides its lines alike"),
        ("a.bin", b"\x01\x00\x02\x00", "begins with 01 00 02 00"),
        ("a.json", b'{"id": ', "begins as JSON and is none"),
    ],
)
def test_what_can_not_be_told_is_said(name: str, head: bytes, said: str) -> None:
    with pytest.raises(ExtractError, match=said):
        kind_of(name, head, is_whole=True)


def test_members_of_one_kind_among_others() -> None:
    assert members_of_kind(["LIESMICH", "a/x.csv", "a/y.csv", "z.json"]) == "*.csv"
    assert members_of_kind(["readme.txt", "x.csv.gz"]) == "*.csv.gz"
    assert members_of_kind(["x.csv", "y.csv"]) is None
    assert members_of_kind(["x", "y"]) is None


def test_dates_in_names() -> None:
    named = date_in_names(["a_20250116.csv", "b_20250115.csv"])
    assert named is not None
    assert (named.first, named.last) == ("2025-01-15", "2025-01-16")
    assert date_in_names(["a_2025-01-16.csv", "b_20250115.csv"]) is None
    assert date_in_names(["a_20251399.csv"]) is None
    assert date_in_names([]) is None


@pytest.mark.parametrize(
    ("what", "with_api", "are_files"),
    [
        ("inbox/*.csv", False, True),
        ("/data/orders", False, True),
        ("orders.csv.gz", False, True),
        ("s3://bucket/a", False, True),
        ("az://container/a", False, True),
        ("file:///data/a", False, True),
        ("https://host/a.csv?x=1", False, True),
        ("https://host/a.parquet", False, True),
        ("https://host/a.json", False, False),
        ("https://host/v1/orders", False, False),
        ("https://host.csv", False, False),
        ("/orders.csv", True, False),
        ("shop.orders", False, False),
    ],
)
def test_what_is_taken_for_files(what: str, with_api: bool, are_files: bool) -> None:
    assert names_files(what, with_api=with_api) is are_files


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("inbox/orders_*.csv", "inbox.orders"),
        ("s3://lake/drop/2025/orders_20250115.csv.gz", "drop.orders"),
        ("https://host.example/exports/a b.csv", "exports.a_b"),
        ("*.csv", "files.files"),
    ],
)
def test_names(url: str, name: str) -> None:
    assert FileDraft(url, Variables("files", {})).name == name
    assert FileDraft(url, Variables("files", {}), taken=[name]).name == f"{name}_2"


def test_signatures_of_urls_become_variables_and_braces_stay_what_they_are() -> None:
    variables = Variables("files", {})
    url = "https://host/{a}.csv?sv=2024&sig=s3cr3t%2Fsignature"
    made = FileDraft(url, variables)
    assert made.source["url"] == "https://host/{{a}}.csv?sv=2024&sig=${FILES_SIG}"
    assert variables.missing == {"FILES_SIG": "s3cr3t%2Fsignature"}

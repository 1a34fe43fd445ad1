"""Captured pages as lines: whatever the body, the same bytes come back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.errors import StateError
from bronze_engine.model import page_json
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.page_json import decode_page, encode_page

pytestmark = pytest.mark.unit


def page_of(body: bytes) -> CapturedPage:
    return CapturedPage(
        page=7,
        chain="order 12",
        status=200,
        url="https://api.example/orders?page=7&key=***",
        fetched_at=datetime(2025, 1, 15, 10, 0, 0, 123456, tzinfo=UTC),
        as_of=datetime(2025, 1, 15, 11, tzinfo=timezone(timedelta(hours=1))),
        headers={"content-type": "application/json"},
        carried=(("order_id", "at"), '"order_id":1.50,"at":null'),
        taken=3,
        body=body,
    )


@given(st.binary(max_size=64) | st.text(max_size=32).map(str.encode), st.integers(1, 4))
def test_every_body_comes_back_to_the_byte(body: bytes, thirds: int) -> None:
    page = page_of(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_json, "PIECE_BYTES", 3 * thirds + 3)
        line = b"".join(encode_page(page))
    assert line.count(b"\n") == 1
    assert decode_page(line, "pages") == page


def test_a_line_is_json_that_any_tool_reads() -> None:
    line = json.loads(b"".join(encode_page(page_of(b'{"name": "Zo\xc3\xab"}\n'))))
    assert line == {
        "page": 7,
        "chain": "order 12",
        "status": 200,
        "url": "https://api.example/orders?page=7&key=***",
        "fetched_at": "2025-01-15T10:00:00.123456Z",
        "as_of": "2025-01-15T11:00:00+01:00",
        "headers": {"content-type": "application/json"},
        "carried": [["order_id", "at"], '"order_id":1.50,"at":null'],
        "taken": 3,
        "body": '{"name": "Zoë"}\n',
    }


def test_a_body_that_is_no_text_stands_in_base64() -> None:
    line = json.loads(b"".join(encode_page(page_of(b"\xff\xfe"))))
    assert line["body_base64"] == "//4="
    assert "body" not in line


def test_a_large_body_is_encoded_in_pieces() -> None:
    body = "ë".encode() * page_json.PIECE_BYTES
    pieces = list(encode_page(page_of(body)))
    assert max(map(len, pieces)) <= page_json.PIECE_BYTES
    assert decode_page(b"".join(pieces), "pages").body == body


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"page":1,"status":200,"url":"","fetched_at":"2025-01-15T00:00:00Z"}',
        b'{"page":1,"status":200,"url":"","fetched_at":"2025-01-15T00:00:00Z","body_base64":"?"}',
    ],
)
def test_what_is_no_captured_page_is_state001_naming_the_file(line: bytes) -> None:
    with pytest.raises(StateError, match=r"^STATE001 _pages/x.*no captured page"):
        decode_page(line, "_pages/x")

"""`/Date(1736899200000+0000)/`, as Xero and services of OData 2 write instants."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.decode.rows import decode

pytestmark = pytest.mark.unit

MIDNIGHT = datetime(2025, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        rb"/Date(1736899200000)/",
        rb"\/Date(1736899200000)\/",
        rb"/Date(1736899200000+0000)/",
        rb"/Date(1736899200000-0500)/",  # the offset says where it was written
        rb"1736899200000",
    ],
)
def test_their_milliseconds_are_an_epoch(text: bytes) -> None:
    decoded = decode(b'{"at":"%b"}' % text, b'{"at":1736899200000}', columns={"at": "epoch_ms"})
    assert decoded.batch["at"].to_pylist() == [MIDNIGHT, MIDNIGHT]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/Date(1736899200)/", "epoch_s"),
        ("/Date(17e3)/", "epoch_ms"),
        ("/Date(99999999999999999)/", "epoch_ms"),
        ("Date(1736899200000)", "epoch_ms"),
    ],
)
def test_what_is_none_is_left_beside_its_column(text: str, kind: str) -> None:
    decoded = decode(b'{"at":"%b"}' % text.encode(), columns={"at": kind})
    assert decoded.batch["at"].to_pylist() == [None]
    assert decoded.batch["at__variant"].to_pylist() == [f'"{text}"']

"""Instants as S3 and the services beside it write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bronze_engine.store.s3.instant import parse_instant

pytestmark = pytest.mark.unit

NOON = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2025-01-15T12:00:00.000Z",
        "2025-01-15T12:00:00Z",
        "2025-01-15T12:00:00",
        "2025-01-15T13:00:00+01:00",
        "Wed, 15 Jan 2025 12:00:00 GMT",
        "Wed, 15 Jan 2025 12:00:00 -0000",
        "Wed Jan 15 12:00:00 2025",
        NOON.timestamp(),
        str(NOON.timestamp()),
    ],
    ids=repr,
)
def test_every_way_of_writing_it_is_the_same_instant(value: Any) -> None:
    instant = parse_instant(value)
    assert instant.tzinfo is not None
    assert instant == NOON


def test_what_is_no_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid timestamp"):
        parse_instant("soon")

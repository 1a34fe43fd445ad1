from __future__ import annotations

import pytest

from bronze_engine.config.units import ByteSize, Duration, Secret

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("500ms", 0.5),
        ("5m", 300),
        ("6h", 21600),
        ("1d", 86400),
        ("1.5 s", 1.5),
        (7, 7),
    ],
)
def test_durations_have_units(text: object, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "value", ["", "5", "5 min", "-5s", "s", None, True, -1, float("inf"), float("nan"), []]
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no duration"):
        Duration.parse(value)


@pytest.mark.parametrize(
    ("text", "size"), [("8MiB", 8 * 1024**2), ("512 KiB", 512 * 1024), ("1GB", 10**9), (5, 5)]
)
def test_sizes_have_units(text: object, size: int) -> None:
    assert ByteSize.parse(text) == size


@pytest.mark.parametrize("value", ["", "5", "8Mb", "-5B", None, True, -1, 1.5])
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no size"):
        ByteSize.parse(value)


def test_a_secret_is_used_and_never_shown() -> None:
    secret = Secret("CANARY")
    assert secret.reveal() == "CANARY"
    assert "CANARY" not in f"{secret} {secret!r} {[secret]}"
    assert secret == Secret("CANARY")
    assert secret != Secret("other")
    assert hash(secret) == hash(Secret("CANARY"))


def test_a_secret_whose_file_is_empty_is_not_renewed() -> None:
    # A rotation that truncates first: an empty credential must never be sent.
    secret = Secret("old", iter(["new", ""]).__next__).renewed()
    assert secret.reveal() == "new"
    with pytest.raises(OSError, match="is empty"):
        secret.renewed()
    assert Secret("fixed").renewed().reveal() == "fixed"

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.telemetry.redact import Redactor, redact_url

pytestmark = pytest.mark.unit

SECRETS = st.text(min_size=8, max_size=30)


@given(SECRETS, st.text(max_size=10), st.text(max_size=10))
def test_a_secret_is_masked_however_it_is_written(secret: str, before: str, after: str) -> None:
    redact = Redactor([secret])
    forms = [
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        quote(secret, safe="").lower() if secret.islower() else quote(secret, safe=""),
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    ]
    for form in forms:
        masked = redact(f"{before}|{form}|{after}")
        assert "***" in masked
        if form not in f"{before}|" and form not in f"|{after}" and form not in "***|":
            assert form not in masked


@given(st.sets(SECRETS, min_size=1, max_size=5), st.text(max_size=50))
def test_no_secret_is_left_in_any_text(secrets: set[str], text: str) -> None:
    masked = Redactor(secrets)("".join([text, *secrets, text]))
    # A mask may complete a secret that holds asterisks itself.
    assert not any(secret in masked for secret in secrets if "*" not in secret)


def test_the_longest_secret_is_masked_first() -> None:
    assert Redactor(["secret-1", "secret-1-long"])("a secret-1-long b") == "a *** b"


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    redact = Redactor(["demo"])
    assert redact("user=demo, democracy, pass: demo.") == "user=***, democracy, pass: ***."


def test_lines_of_a_long_secret_are_secrets() -> None:
    key = "-----BEGIN-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END-----"
    assert "MIIEv" not in Redactor([key])("line MIIEvQIBADANBgkqhkiG9w0BAQ of it")


def test_secrets_may_be_added_or_be_met_later() -> None:
    met: set[str] = set()
    redact = Redactor(lambda: met)
    assert redact("canary-one canary-two") == "canary-one canary-two"
    met.add("canary-one")
    redact.add(["canary-two"])
    assert redact("canary-one canary-two") == "*** ***"


def test_without_secrets_a_text_stays_as_it_is() -> None:
    assert Redactor()("text") == "text"
    assert Redactor([""])("text") == "text"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/x", "https://a.example/x"),
        ("https://u:p@a.example:8/x", "https://a.example:8/x"),
        ("https://u@p@a.example/x", "https://a.example/x"),
        ("https://a.example/x?page=2&key=abc#f", "https://a.example/x?page=2&key=***"),
        ("https://a.example/x?abc", "https://a.example/x?***"),
        ("https://a.example/x?a=1=2&&b=", "https://a.example/x?a=***&b=***"),
        ("/x?page=2", "/x?page=2"),
        ("https://u:p@[::1/x?a=b", "[::1/x"),
        ("", ""),
    ],
)
def test_a_url_loses_user_and_query_values(url: str, expected: str) -> None:
    assert redact_url(url, frozenset({"page"})) == expected


@given(st.text(max_size=60))
def test_no_text_breaks_the_redaction_of_urls(text: str) -> None:
    redact_url(text)
    assert "CANARY" not in redact_url(f"https://u:CANARY@h/{quote(text)}?k=CANARY")

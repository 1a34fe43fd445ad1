from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.template import (
    Values,
    fields_of,
    is_bare,
    render,
    render_json,
    render_params,
    render_url,
    uses,
)
from bronze_engine.errors import ConfigError

pytestmark = pytest.mark.unit

VALUES: Values = {"run_date": date(2025, 1, 5), "low": "2025-01-01T00:00:00+00:00", "high": None}
WORDS = st.text(max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{run_date}", "2025-01-05"),
        ("{run_date:%Y%m%d}", "20250105"),
        ("{run_date:%d.%m.%Y}/{low}", "05.01.2025/2025-01-01T00:00:00+00:00"),
        ("{{run_date}}", "{run_date}"),
        ("{{{run_date}}}", "{2025-01-05}"),
        ("}}{{", "}{"),
    ],
)
def test_placeholders_are_replaced(text: str, expected: str) -> None:
    assert render(text, VALUES) == expected


FIELDS: Values = {
    "parent.id": msgspec.Raw(b"17"),
    "parent.a.b": "x/y",
    "job.big": msgspec.Raw(b"1e400"),
}


def test_fields_of_a_server_are_texts_in_texts() -> None:
    assert render("{parent.id} of {parent.a.b}", FIELDS) == "17 of x/y"
    assert render_url("/{parent.id}/{parent.a.b}", FIELDS) == "/17/x%2Fy"
    assert render_params({"a": "{parent.id}", "b": ["{job.big}", 1]}, FIELDS) == {
        "a": "17",
        "b": ["1e400", 1],
    }
    assert fields_of("parent", ["{parent.id}", {"x": "{parent.a.b}{job.big}"}]) == {"id", "a.b"}


def test_a_text_that_is_a_field_keeps_its_type_in_a_body() -> None:
    body = {"a": "{parent.id}", "b": ["{job.big}"], "c": "{parent.a.b}", "d": "{parent.id}."}
    rendered = msgspec.json.encode(render_json(body, FIELDS))
    assert rendered == b'{"a":17,"b":[1e400],"c":"x/y","d":"17."}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{rundate}", "unknown template {rundate}; known are {high}, {low}, {run_date}"),
        ("{", "a single `{`"),
        ("}", "a single `}`"),
        ("{ low }", "a single `{`"),
        ("{0}", "a single `{`"),
        ("{low:%Y}", "only {run_date} takes a format"),
        ("{run_date:YYYY}", "only {run_date} takes a format"),
        ("{high}", "{high} has no value in this run"),
        ("{low.x}", "a single `{`"),
    ],
)
def test_what_is_no_template_is_a_configuration_error(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        render(text, VALUES)
    assert message in caught.value.message


def test_an_error_does_not_show_the_text() -> None:
    with pytest.raises(ConfigError) as caught:
        render("CANARY{CANARY}", VALUES)
    assert "CANARY" not in str(caught.value)


def test_values_are_percent_encoded_in_urls_and_the_text_is_not() -> None:
    assert render_url("/a/{low}/b?c", {"low": "x/y ?&é"}) == "/a/x%2Fy%20%3F%26%C3%A9/b?c"
    assert render_url("/{run_date:%Y/%m}", VALUES) == "/2025%2F01"


@given(WORDS)
def test_an_escaped_text_means_itself(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")
    assert render(escaped, {}) == text
    assert uses(escaped) == frozenset()


@given(st.lists(st.sampled_from(["low", "high"]) | WORDS.map(lambda w: f"={w}"), max_size=8), WORDS)
def test_a_template_is_its_pieces_in_order(pieces: list[str], value: str) -> None:
    text, expected = "", ""
    for piece in pieces:
        if piece.startswith("="):
            text += piece.replace("{", "{{").replace("}", "}}")
            expected += piece
        else:
            text += f"{{{piece}}}"
            expected += value
    assert render(text, {"low": value, "high": value}) == expected
    assert uses(text) == {piece for piece in pieces if not piece.startswith("=")}


@given(WORDS)
def test_a_value_is_not_looked_at_again(value: str) -> None:
    assert render("{low}", {"low": value}) == value
    assert unquote(render_url("{low}", {"low": value})) == value


def test_names_are_found_at_any_depth() -> None:
    value: Any = {"a": ["{low}", {"b": "{run_date:%Y}"}], "c": 1, "d": None, "e": "{{high}}"}
    assert uses(value) == {"low", "run_date"}


def test_parameters_without_a_value_are_left_out() -> None:
    params = {"since": "{low}", "until": "{high}", "n": 5, "ok": True, "list": ["{low}", "x"]}
    assert render_params(params, {**VALUES, "low": "L"}) == {
        "since": "L",
        "n": 5,
        "ok": True,
        "list": ["L", "x"],
    }
    assert render_params({"list": ["x", "{high}"]}, VALUES) == {}


def test_json_is_rendered_at_any_depth() -> None:
    body = {"filter": [{"from": "{low}", "to": "{high}"}, "{high}"], "n": None, "f": 1.5}
    assert render_json(body, {**VALUES, "low": "L"}) == {
        "filter": [{"from": "L"}, None],
        "n": None,
        "f": 1.5,
    }
    assert body["n"] is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{run_date}", True),
        ("{run_date:%Y}-{run_date:%m}", True),
        ("[{low},{high}]", True),
        ("{run_date}-token", False),
        ("2025-01-15", False),
        ("", False),
        (7, False),
    ],
)
def test_a_bare_template_holds_nothing_but_placeholders(value: object, expected: bool) -> None:
    assert is_bare(value) is expected

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.loading.expand import Expanded, Expander
from bronze_engine.config.loading.fault import Fault

pytestmark = pytest.mark.unit

TEXTS = st.text(max_size=30)


def expand(
    text: str, variables: dict[str, str], *, template: bool = False
) -> tuple[str, list[Fault]]:
    def read_file(name: str) -> str:
        if name == "/absent":
            raise FileNotFoundError(2, "No such file or directory")
        if name == "/binary":
            return b"\xff".decode()
        return f"text of {name}\r\n\n"

    faults: list[Fault] = []
    expander = Expander(variables, read_file, is_template=lambda _: template)
    result = expander.expand({"a": [text]}, (), faults)
    (value,) = result["a"]
    return value, faults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "1"),
        ("x${A}y${B}", "x1y"),
        ("${A:-d}", "1"),
        ("${B:-d}", "d"),
        ("${C:-d}", "d"),
        ("${C:-}", ""),
        ("${C:-http://x:1/y}", "http://x:1/y"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $$ {A} }", "$A $$ {A} }"),
        ("${file:/s}", "text of /s\r\n"),
        ("${NEST}", "${A}"),
    ],
)
def test_references_are_replaced_once(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "", "NEST": "${A}"}) == (expected, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${C}", "the environment variable C is not set"),
        ("${", "`${` without `}`"),
        ("${}", "is no reference"),
        ("${A B}", "is no reference"),
        ("${1A}", "is no reference"),
        ("${A-d}", "is no reference"),
        ("${A:-${B}}", "is no reference"),
        ("${file:/absent}", "the file /absent can't be read: No such file or directory"),
        ("${file:/binary}", "the file /binary can't be read: not UTF-8 text"),
    ],
)
def test_what_can_not_be_replaced_is_a_fault_with_its_key(text: str, message: str) -> None:
    _, (fault,) = expand(text, {"A": "1"})
    assert fault.path == ("a",)
    assert message in fault.message


@given(value=TEXTS, before=TEXTS, after=TEXTS)
def test_whatever_a_variable_holds_comes_through_unchanged(
    value: str, before: str, after: str
) -> None:
    before, after = before.replace("$", "").replace("{", ""), after.replace("$", "")
    assert expand(f"{before}${{V}}{after}", {"V": value}) == (before + value + after, [])


@given(TEXTS)
def test_an_escaped_text_means_itself(text: str) -> None:
    clean = text.replace("$$", "$")
    escaped = clean.replace("${", "$${")
    assert expand(escaped, {}) == (clean, [])


def test_braces_of_a_variable_are_doubled_where_the_text_is_a_template() -> None:
    assert expand("{low}${V}", {"V": "a{b}"}, template=True) == ("{low}a{{b}}", [])


def test_a_text_with_a_variable_in_it_is_known_as_such() -> None:
    assert isinstance(expand("x${V}", {"V": "1"})[0], Expanded)
    assert not isinstance(expand("$${V}", {})[0], Expanded)


def test_what_came_from_outside_is_remembered_with_its_key() -> None:
    faults: list[Fault] = []
    expander = Expander({"V": "env"}, lambda _: "file\n")
    expander.expand({"a": {"b": "${V}${file:x}${W:-default}"}, "c": 1}, ("t",), faults)
    assert expander.found == [(("t", "a", "b"), "env"), (("t", "a", "b"), "file")]
    assert faults == []

"""Patterns of paths, as shells write them."""

from __future__ import annotations

import pytest

from bronze_engine.sources.files.glob import Glob

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a/*.csv", "a/x.csv"),
        ("a/*.csv", "a/.csv.csv"[:2] + "long name.csv"),
        ("a/?.csv", "a/ä.csv"),
        ("a/[xy].csv", "a/y.csv"),
        ("a/[!xy].csv", "a/z.csv"),
        ("a/[0-9][0-9].csv", "a/07.csv"),
        ("**/x.csv", "x.csv"),
        ("**/x.csv", "a/b/x.csv"),
        ("a/**/x.csv", "a/x.csv"),
        ("a/**", "a/b/c"),
        ("a/[*].csv", "a/*.csv"),
        ("a/.hidden*", "a/.hidden1"),
        ("a/x[1.csv", "a/x[1.csv"),
        ("a/x+(1).csv", "a/x+(1).csv"),
        ("dt=*/part.csv", "dt=2025-01-15/part.csv"),
    ],
)
def test_it_matches(pattern: str, path: str) -> None:
    assert Glob(pattern).matches(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a/*.csv", "a/b/x.csv"),
        ("a/*.csv", "a/x.csv.gz"),
        ("a/*", "a/.hidden"),
        ("**", "a/.hidden/x"),
        ("a/?.csv", "a/xy.csv"),
        ("a/[!xy].csv", "a/x.csv"),
        ("a/[*].csv", "a/b.csv"),
        ("a/x?y", "a/x/y"),
        ("A/x", "a/x"),
    ],
)
def test_it_does_not_match(pattern: str, path: str) -> None:
    assert not Glob(pattern).matches(path)


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [("a/b*.csv", "a/b"), ("a/b/x.csv", "a/b/x.csv"), ("**/x", ""), ("a/[b]", "a/")],
)
def test_only_what_begins_as_the_pattern_is_listed(pattern: str, literal: str) -> None:
    assert Glob(pattern).literal == literal

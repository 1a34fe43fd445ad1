"""What a batch prints: all that failed, some of what is left, and the command for the rest."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import msgspec
import pytest

from bronze_engine.cli.printing.batch_text import LEFT_SHOWN, print_batch, print_dry_run
from bronze_engine.errors import ConfigError
from tests.unit.batch.reports import committed, failed, left, report_of
from tests.unit.run.harness import load_text

pytestmark = pytest.mark.unit


def test_all_that_failed_is_listed_and_some_of_what_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [left(f"t.l{number}") for number in range(LEFT_SHOWN + 5)]
    runs += [failed(f"t.f{number}", "EXT001") for number in range(50)]
    runs += [failed("t.q", "CFG001"), committed("t.a", rows=1_234)]
    print_batch(report_of(*runs))
    out = capsys.readouterr().out
    assert len(re.findall(r"^t\.f\d+ .* failed  EXT001  cut off$", out, re.MULTILINE)) == 50
    assert len(re.findall(r"^t\.l\d+ .* left$", out, re.MULTILINE)) == LEFT_SHOWN
    assert "and 5 more that are left (--json lists them)" in out
    assert re.search(r"^committed +1 of 77 runs, 1,234 rows$", out, re.MULTILINE)
    assert re.search(r"^failed +1 CFG001, 50 EXT001$", out, re.MULTILINE)
    assert re.search(r"^left +25$", out, re.MULTILINE)
    assert re.search(r"^next +`bronze batch --retry-failed 2025\S+`", out, re.MULTILINE)


def test_tables_are_no_runs_and_each_sum_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    tables = (committed("t.a"), failed("t.b", "EXT001"), left("t.c"))
    print_batch(report_of(committed("t.a"), failed("t.b"), tables=tables))
    out = capsys.readouterr().out
    assert re.search(r"^committed +1 of 2 runs, 1 rows$", out, re.MULTILINE)
    silver = r"^silver +1 of 3 tables are up to date; failed: 1 EXT001; 1 left$"
    assert re.search(silver, out, re.MULTILINE)
    assert re.search(r"^failed +1 EXT001$", out, re.MULTILINE)
    assert not re.search(r"^left ", out, re.MULTILINE)


def test_what_was_not_stored_is_not_offered_again(capsys: pytest.CaptureFixture[str]) -> None:
    print_batch(report_of(failed("t.f", "EXT001")), is_kept=False)
    out = capsys.readouterr().out
    assert "EXT001" in out
    assert "--retry-failed" not in out


def test_a_batch_that_went_well_has_no_table_and_nothing_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_batch(report_of(committed("t.a"), shard="0/2"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["batch", "shard", "committed", "seconds"]


def test_a_server_s_text_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    print_batch(report_of(failed("t.a", message="one\x1b[2Jtwo\nthree")))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    first, below = out.splitlines()[1:3]
    assert first.endswith(r"  one\x1b[2Jtwo")
    assert below == " " * first.index("one") + "three"  # no text begins a row of its own


def test_what_was_skipped_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    run = msgspec.structs.replace(
        failed("t.b", "AUTH001", "t.b was not run: it comes after t.a"), status="skipped"
    )
    print_batch(report_of(failed("t.a", "AUTH001"), run))
    out = capsys.readouterr().out
    assert re.search(r"t\.b .* skipped  AUTH001  t\.b was not run: it comes after t\.a", out)
    assert re.search(r"^skipped +1$", out, re.MULTILINE)


def test_a_fault_that_many_pipelines_have_of_one_api_is_told_once(tmp_path: Path) -> None:
    text = '[apis.shop]\nbase_url = "http://127.0.0.1:9"\nretry = { most = 2 }\n'
    for number in range(50):
        text += f'[pipelines.t.p{number}.source]\ntype = "http"\napi = "shop"\npath = "/x"\n'
    config = load_text(text, folder=tmp_path)
    runs = [(name, date(2025, 1, 15)) for name in config.names]
    with pytest.raises(ConfigError) as refused:
        print_dry_run(config, runs, as_json=False)
    assert str(refused.value).count("apis.shop.retry.most: unknown key") == 1

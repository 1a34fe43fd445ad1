"""Steps, parents and exports in pipelines.toml: what may stand there, and what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError
from tests.unit.config.files import http_of, load

pytestmark = pytest.mark.unit

TEXT = """
[apis.shop]
base_url = "https://shop.example/v1"
[apis.other]
base_url = "https://other.example/v1"
[pipelines.myteam.orders.source]
type = "http"
api = "shop"
path = "/orders"
records = "data"
[pipelines.myteam.lines.source]
type = "http"
api = "shop"
path = "/orders/{parent.id}/lines"
parent = "orders"
[pipelines.myteam.notes.source]
type = "http"
api = "shop"
path = "/lines/{parent.id}/notes"
parent = "myteam.lines"
[pipelines.myteam.events]
load = "incremental"
[pipelines.myteam.events.source]
type = "http"
api = "shop"
path = "/events"
[pipelines.myteam.events.incremental]
cursor = "at"
initial = 2025-01-01
step = "1d"
start_param = "since"
end_param = "until"
[pipelines.myteam.report.source]
type = "http"
api = "shop"
[pipelines.myteam.report.source.export]
files = "urls"
[pipelines.myteam.report.source.export.create]
path = "/jobs"
[pipelines.myteam.report.source.export.poll]
path = "/jobs/{job.id}"
done = ["done"]
"""


def test_parents_are_found_by_their_name_in_the_team_or_in_full(tmp_path: Path) -> None:
    config = load(tmp_path, TEXT)
    assert config.check_all() == []
    parent = http_of(config.pipeline("myteam.notes")).parent
    assert parent is not None
    assert (parent.name, parent.source.path) == ("myteam.lines", "/orders/{parent.id}/lines")
    above = parent.source.parent
    assert above is not None
    assert (above.name, above.source.records) == ("myteam.orders", "data")


def test_what_the_command_line_sets_is_not_set_for_the_parent(tmp_path: Path) -> None:
    config = load(tmp_path, TEXT, overrides=["source.max_page_bytes=1MiB"])
    source = http_of(config.pipeline("myteam.lines"))
    assert source.max_page_bytes == 1024**2
    assert source.parent is not None
    assert source.parent.source.max_page_bytes == 64 * 1024**2


def test_secrets_of_a_parents_request_are_hidden_too(tmp_path: Path) -> None:
    text = TEXT + '[pipelines.myteam.orders.source.params]\ntoken = "canary-of-the-parent"\n'
    config = load(tmp_path, text)
    config.pipeline("myteam.lines")
    assert "canary-of-the-parent" in config.secrets


def test_secrets_of_the_request_for_an_export_are_hidden(tmp_path: Path) -> None:
    text = TEXT + '[pipelines.myteam.report.source.export.create.json]\ntoken = "canary-of-job"\n'
    config = load(tmp_path, text)
    config.pipeline("myteam.report")
    assert "canary-of-job" in config.secrets


@pytest.mark.parametrize(
    ("pipeline", "override", "message"),
    [
        ("lines", "source.parent=missing", r'there is no pipeline "myteam.missing"'),
        ("lines", "source.parent=lines", r"a circle: myteam.lines -> myteam.lines"),
        ("lines", "source.parent=notes", r"a circle: myteam.lines -> myteam.notes -> myteam.lines"),
        ("lines", "source.parent=5", r"source.parent: expected a string"),
        ("lines", "source.api=other", r"reads from apis.shop, and its children from apis.other"),
        ("lines", "source.path=/lines", r"parent: is used nowhere"),
        ("lines", 'source.carry={ a = "x..y" }', r'carry.a: "x..y" is no dotted path'),
        ("orders", 'source.carry={ a = "x" }', r"carry: takes fields from the parent"),
        ("orders", "source.path=/x/{parent.id}", r"uses {parent.…} and has no parent"),
        ("orders", "source.path=/x/{parent}", r"unknown template {parent}"),
        ("orders", "source.path=/x/{parent.id:%Y}", r"only {run_date} takes a format"),
        ("orders", "source.path=/x/{job.id}", r"uses {job.…}, the answer of an export"),
        ("orders", "source.parallel=4", r"neither incremental.step nor parent nor export"),
        ("orders", "source.parallel=0", r"parallel: expected a whole number \(at least 1"),
        ("orders", "source.on_not_found=skip", r'"fail" or "empty"'),
        ("lines", "source.export.create.path=/jobs", r"export"),
        ("events", "incremental.step=0s", r"step: must be a whole number"),
        ("events", "incremental.step=1500ms", r"step: must be a whole number"),
        ("events", "incremental.steps_per_slice=0", r"steps_per_slice: expected a whole number"),
        ("events", "incremental.cursor_type=text", r"step: can't cut a window of cursor_type"),
        ("events", 'source.parent="orders"', r"parent: can't be combined with incremental.step"),
        ("report", "source.export.files=$.urls", r"files: is a JSONPath; write the dotted path"),
        ("report", "source.path=/files", r"source.path: has no effect beside export.files"),
        ("report", "source.paginator.type=page", r"paginator: has no effect beside export.files"),
        ("report", "source.parent=orders", r"can't be combined with parent"),
        ("report", "source.export.create.path=https://x", r"create.path: is joined to the API's"),
        ("report", "source.export.poll.path=/jobs?x=1", r"poll.path: is joined to the API's"),
        ("report", "source.export.poll.path=/jobs", r"poll.path: names no job"),
        ("report", "source.export.poll.json.id={job.id}", r"poll.json: is a body, and GET has"),
        ("report", "source.export.poll.params.x={jb.id}", r"poll.params.x: "),
        ("report", "source.export.poll.done=[]", r"done: is empty"),
        ("report", 'source.export.poll.failed=["done"]', r'failed: "done" is in done, too'),
        ("report", "source.export.poll.timeout=0s", r"timeout: must be above zero"),
        ("report", "source.export.poll.interval=0s", r"interval: must be above zero"),
        ("report", "source.export.poll.max_interval=0s", r"max_interval: must be above zero"),
        ("report", "source.export.poll.backoff=0.5", r"backoff: expected a number \(at least 1\)"),
        ("report", 'source.export.create={ path = "/j", method = "GET", json = 1 }', r"GET has"),
        ("report", "source.export.create.json.low={low}", r'{low} needs load = "incremental"'),
    ],
)
def test_what_contradicts_itself_is_told(
    tmp_path: Path, pipeline: str, override: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, TEXT, overrides=[override]).pipeline(f"myteam.{pipeline}")


def test_steps_that_there_are_none_of_are_not_landed_together(tmp_path: Path) -> None:
    text = TEXT.replace('step = "1d"', "steps_per_slice = 3")
    with pytest.raises(ConfigError, match=r"steps_per_slice: is how many steps .*; set step"):
        load(tmp_path, text).pipeline("myteam.events")


@pytest.mark.parametrize(
    ("old", "new", "pipeline", "message"),
    [
        ("initial = 2025-01-01\n", "", "events", r"step: needs initial"),
        ('end_param = "until"\n', "", "events", r"set end_param, or use {high} in params"),
        ('start_param = "since"\n', "", "events", r"set start_param, or use {low} in params"),
        ('files = "urls"\n', "", "report", r"files: missing: the path to the URLs"),
        (
            'initial = 2025-01-01\nstep = "1d"\nstart_param = "since"\nend_param = "until"',
            'initial = "0"\ncursor_type = "integer"\nstep = 100\nstart_param = "since"',
            "events",
            r"step: of integers needs end_param: the last request has no end",
        ),
        (
            'step = "1d"',
            'step = "36h"\ncursor_type = "date"',
            "events",
            r'step: of dates is a number of whole days: "1d", "7d"',
        ),
        (
            'path = "/orders"',
            'path = "/orders"\nparams = { from = "{low}" }',
            "lines",
            r"the request of myteam.orders uses {low} or {high}",
        ),
        ('api = "shop"\npath = "/orders"', 'api = "gone"', "lines", r'there is no API "gone"'),
        ('type = "http"\napi = "shop"\npath = "/orders"', 'type = "no"', "lines", "is no source"),
    ],
)
def test_what_lacks_is_told(
    tmp_path: Path, old: str, new: str, pipeline: str, message: str
) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, TEXT.replace(old, new, 1)).pipeline(f"myteam.{pipeline}")


def test_bounds_may_stand_in_templates(tmp_path: Path) -> None:
    text = TEXT.replace('start_param = "since"\nend_param = "until"\n', "")
    text += '[pipelines.myteam.events.source.params]\nq = "at > {low} and at <= {high}"\n'
    assert http_of(load(tmp_path, text).pipeline("myteam.events")).params


@pytest.mark.parametrize(
    ("pipeline", "override"),
    [
        ("lines", 'source.carry={ a = "id" }'),
        ("lines", "source.on_not_found=empty"),
        ("report", "source.export.files=others"),
        ("report", "source.export.create.json.day={run_date}"),
        ("report", "source.export.create.params.kind=all"),
    ],
)
def test_what_decides_the_chains_changes_the_hash(
    tmp_path: Path, pipeline: str, override: str
) -> None:
    name = f"myteam.{pipeline}"
    plain = load(tmp_path, TEXT).pipeline(name).config_hash
    assert load(tmp_path, TEXT, overrides=[override]).pipeline(name).config_hash != plain


@pytest.mark.parametrize(
    ("pipeline", "override"),
    [
        ("lines", "source.parallel=3"),
        ("events", "incremental.step=7d"),
        ("events", "incremental.steps_per_slice=7"),
        ("report", "source.export.poll.interval=7s"),
    ],
)
def test_how_they_are_read_does_not(tmp_path: Path, pipeline: str, override: str) -> None:
    name = f"myteam.{pipeline}"
    plain = load(tmp_path, TEXT).pipeline(name).config_hash
    assert load(tmp_path, TEXT, overrides=[override]).pipeline(name).config_hash == plain


def test_another_request_for_the_parents_changes_the_hash(tmp_path: Path) -> None:
    plain = load(tmp_path, TEXT).pipeline("myteam.lines").config_hash
    other = TEXT.replace('records = "data"', 'records = "items"')
    assert load(tmp_path, other).pipeline("myteam.lines").config_hash != plain

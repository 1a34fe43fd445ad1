"""[telemetry] and [notify]: what contradicts itself is CFG001, and what is secret is hidden."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bronze_engine.config.notify import CommandNotify, WebhookNotify
from bronze_engine.config.notify_body import fill
from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, load

pytestmark = pytest.mark.unit

HOOK = '[notify.ops]\ntype = "webhook"\nurl = "https://hooks.example/services/T0/KEY-OF-OPS"\n'
TOOL = '[notify.ops]\ntype = "command"\ncommand = ["tell"]\n'


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('service_name = "x"', "telemetry.service_name: needs otel = true"),
        ("trace_requests = 0.5", "telemetry.trace_requests: needs otel = true"),
        ("otel = true\ntrace_requests = 1.5", "at most 1"),
        ('otel = true\nservice_name = " "', "telemetry.service_name: is empty"),
        ('prometheus_file = "metrics.txt"', 'must end with ".prom"'),
        ("otlp = true", 'unknown key; did you mean "otel"?'),
    ],
)
def test_faults_of_telemetry(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, f"[telemetry]\n{table}\n")
    assert message in str(raised.value)


def test_the_prometheus_file_lies_beside_the_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, '[telemetry]\nprometheus_file = "out/bronze.prom"\n')
    assert config.telemetry.prometheus_file == str(tmp_path / "out/bronze.prom")
    assert not load(tmp_path, "").telemetry.otel


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HOOK + "on = []", "notify.ops.on: is empty"),
        (HOOK + 'on = ["late"]', '"success" or "failure" or "batch"'),
        (HOOK + 'pipelines = ["myteam.order"]', 'did you mean "myteam.orders"?'),
        (HOOK + 'timeout = "0s"', "notify.ops.timeout: must be above zero"),
        (HOOK + "attempts = 0", "at least 1"),
        (HOOK + 'proxy = "proxy:1"', "notify.ops.proxy: expected"),
        (HOOK + 'proxy = "http://proxy .example"', "notify.ops.proxy: expected"),
        (HOOK + 'ca_file = "none.pem"', "none.pem can't be read"),
        (HOOK + 'headers = { "a b" = "x" }', 'notify.ops.headers."a b": is no name'),
        (HOOK + 'headers = { Host = "x" }', "is set by us"),
        (HOOK + 'headers = { X = "a\\nb" }', "has a line break"),
        (HOOK + 'format = "slack"\nbody = { a = "b" }', "leave format out beside it"),
        (HOOK + 'body = { a = ["{pipelin}"] }', 'did you mean "pipeline"?'),
        (HOOK + 'body = { a = "}" }', "write {{ and }}"),
        ('[notify.ops]\ntype = "webhook"\nurl = "ftp://x"', "notify.ops.url: is no http"),
        ('[notify.ops]\ntype = "webhook"\nurl = "https://me:pw12@x"', "has a user or password"),
        ('[notify.ops]\ntype = "mail"\n', 'unknown type "mail"'),
        ('[notify.ops]\ntype = "command"\ncommand = []', "notify.ops.command"),
        ('[notify.ops]\ntype = "command"\ncommand = [" "]', "begins with an empty text"),
        (TOOL + 'env = { "1x" = "a" }', "is no name of a variable"),
        (TOOL + 'env = { BRONZE_X = "a" }', "is one of ours"),
        (TOOL + 'url = "https://x"', "notify.ops.url: unknown key"),
        ('[notify."a b"]\ntype = "command"\ncommand = ["x"]', "is no name"),
    ],
)
def test_faults_of_notifications(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, API + ORDERS + text).notices()
    assert message in str(raised.value)
    assert "KEY-OF-OPS" not in str(raised.value)


def test_a_variable_of_a_notification_is_needed_only_where_it_is_told(tmp_path: Path) -> None:
    text = API + ORDERS + '[notify.ops]\ntype = "webhook"\nurl = "${NO_SUCH_URL}"\n'
    config = load(tmp_path, text)
    config.pipeline("myteam.orders")
    with pytest.raises(ConfigError, match="NO_SUCH_URL"):
        config.notices()
    assert any("NO_SUCH_URL" in str(error) for error in config.check_all())


def test_all_that_a_notification_sends_and_nobody_may_see_is_secret(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        HOOK
        + 'headers = { Authorization = "Bearer CANARY-bearer", X-Key = "CANARY-header" }\n'
        + 'body = { routing_key = "CANARY-body", deep = [{ token = "CANARY-deep" }] }\n'
        + '[notify.tool]\ntype = "command"\ncommand = ["./tell.sh", "~x"]\n'
        + 'env = { KEY = "${KEY}" }\n',
        environ={"KEY": "CANARY-env"},
    )
    hook, tool = config.notices()
    secrets = config.secrets
    assert {"CANARY-bearer", "CANARY-header", "CANARY-deep", "CANARY-env"} <= secrets
    assert "/services/T0/KEY-OF-OPS" in secrets
    assert isinstance(hook, WebhookNotify)
    assert "CANARY" not in repr(hook.headers)
    assert "KEY-OF-OPS" not in repr(hook)
    assert isinstance(tool, CommandNotify)
    assert tool.command == (str(tmp_path / "tell.sh"), "~x")
    assert "CANARY" not in repr(tool)


def test_a_webhook_in_clear_is_a_warning_except_on_this_machine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        load(tmp_path, HOOK.replace("https://hooks.example", "http://127.0.0.1:1")).notices()
        assert not caplog.messages
        load(tmp_path, HOOK.replace("https", "http")).notices()
    assert "notify.ops: its url is http" in caplog.text
    assert "KEY-OF-OPS" not in caplog.text


def test_neither_table_changes_which_rows_land(tmp_path: Path) -> None:
    plain = load(tmp_path, API + ORDERS).pipeline("myteam.orders")
    told = load(tmp_path, API + ORDERS + HOOK + '[telemetry]\nprometheus_file = "a.prom"\n')
    assert told.pipeline("myteam.orders").config_hash == plain.config_hash


def test_entries_may_stand_in_an_included_file_and_telemetry_may_not(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text(HOOK + "on = []\n")
    with pytest.raises(ConfigError, match=r"more\.toml: notify\.ops\.on"):
        load(tmp_path, 'include = ["more.toml"]\n').notices()
    (tmp_path / "more.toml").write_text("[telemetry]\notel = false\n")
    with pytest.raises(ConfigError, match="belongs into the main file"):
        load(tmp_path, 'include = ["more.toml"]\n')


def test_braces_of_a_variable_in_a_body_mean_themselves(tmp_path: Path) -> None:
    config = load(
        tmp_path, HOOK + 'body = { key = "${KEY} {summary}" }', environ={"KEY": "a{b}c-secret"}
    )
    (hook,) = config.notices()
    assert isinstance(hook, WebhookNotify)
    assert fill(hook.body, {"summary": "well"}) == {"key": "a{b}c-secret well"}
    assert "a{b}c-secret" in config.secrets

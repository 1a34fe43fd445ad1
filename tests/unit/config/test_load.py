from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bronze_engine.config.auths.auth import BearerAuth
from bronze_engine.config.http.paginator import CursorPaginator, NoPaginator, PagePaginator
from bronze_engine.config.load import load_config
from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, http_of, load, pipeline_table

pytestmark = pytest.mark.unit


def test_a_pipeline_is_resolved_with_api_target_and_names(tmp_path: Path) -> None:
    config = load(tmp_path, API + ORDERS)
    pipeline = config.pipeline("myteam.orders")
    assert config.names == ("myteam.orders",)
    assert (pipeline.name, pipeline.system, pipeline.entity) == (
        "myteam.orders",
        "myteam",
        "orders",
    )
    assert (http_of(pipeline).api.name, http_of(pipeline).api.base_url) == (
        "shop",
        "https://shop.example/v1",
    )
    assert pipeline.target.location == str(tmp_path / "bronze")
    assert pipeline.state is None
    assert len(pipeline.config_hash) == 64
    assert config.pipeline("myteam.orders") is pipeline
    assert config.api("shop") is http_of(pipeline).api


def test_the_quoted_form_of_a_name_means_the_same(tmp_path: Path) -> None:
    quoted = ORDERS.replace("pipelines.myteam.orders", 'pipelines."myteam.orders"')
    assert load(tmp_path, API + quoted).names == ("myteam.orders",)
    with pytest.raises(ConfigError, match=r"pipelines\.myteam\.orders: duplicate"):
        load(tmp_path, API + ORDERS + quoted)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bronze init"):
        load_config(tmp_path / "pipelines.toml", environ={})
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load_config(tmp_path, environ={})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[engine]\ntarget = \n", r"pipelines\.toml:2:10: Invalid value"),
        ("[engine]\ntarget = [", r"pipelines\.toml:2:11: Invalid value"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "1" * 5000, "no valid TOML"),
        (
            "[pipelines.a.b]\n[pipelines.a.b]\n",
            r"pipelines\.toml:2:15: duplicate: \[pipelines\.a\.b\]",
        ),
        ("a = x\n", r'pipelines\.toml:1:5: Invalid value; a text is written "in quotes"'),
        ("a = 8MiB\n", r'pipelines\.toml:1:6: .*; a text is written "in quotes", as sizes'),
        ("a: 1\n", r"pipelines\.toml:1:2: .*; write key = value$"),
        ("a = 1\na = 2\n", r"pipelines\.toml:2:.*; this key has its value already$"),
        ('a = "x\n', r"pipelines\.toml:1:7: .*; the quote that closes the text is missing$"),
        ('a = "C:\\data"\n', r"pipelines\.toml:1:10: .*; write \\\\ for a backslash, or "),
    ],
)
def test_a_syntax_error_names_line_column_and_what_to_write(
    tmp_path: Path, text: str, place: str
) -> None:
    with pytest.raises(ConfigError, match=place):
        load(tmp_path, text)


def test_text_that_is_not_utf8_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "pipelines.toml", environ={})


def test_variables_of_other_pipelines_may_be_missing(tmp_path: Path) -> None:
    text = (
        API
        + ORDERS
        + '[apis.other]\nbase_url = "https://other.example"\n'
        + '[apis.other.auth]\ntype = "bearer"\ntoken = "${OTHER_TOKEN}"\n'
        + '[pipelines.x.y.source]\ntype = "http"\napi = "other"\npath = "/${OTHER_PATH}"\n'
    )
    config = load(tmp_path, text)
    config.pipeline("myteam.orders")
    with pytest.raises(ConfigError) as caught:
        config.pipeline("x.y")
    message = str(caught.value)
    assert "apis.other.auth.token: the environment variable OTHER_TOKEN is not set" in message
    assert "pipelines.x.y.source.path: the environment variable OTHER_PATH" in message
    assert next(iter(config.check_all())).context["pipeline"] == "x.y"
    good = {"OTHER_TOKEN": "a-token", "OTHER_PATH": "p"}
    assert load(tmp_path, text, environ=good).check_all() == []


def test_of_a_key_whose_variable_is_missing_nothing_else_is_said(tmp_path: Path) -> None:
    auth = '[apis.shop.auth]\ntype = "bearer"\ntoken = "${A_TOKEN}"\n'
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, API + ORDERS + auth).pipeline("myteam.orders")
    assert caught.value.message == (
        "pipelines.toml: apis.shop.auth.token: the environment variable A_TOKEN is not set; set "
        "it, put it into .env beside the file, or give a default: ${A_TOKEN:-...}"
    )
    with pytest.raises(ConfigError, match=r"apis\.shop\.auth\.token: is empty"):
        load(tmp_path, API + ORDERS + auth, environ={"A_TOKEN": ""}).pipeline("myteam.orders")


def test_dotenv_gives_variables_and_never_overrides_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=from-file\nB=from-file\n")
    text = API + ORDERS.replace("/orders", "/${A}/${B}", 1)
    config = load(tmp_path, text, environ={"A": "from-environment"})
    assert http_of(config.pipeline("myteam.orders")).path == "/from-environment/from-file"


def test_a_broken_dotenv_names_its_line_and_not_its_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nCANARY-of-dotenv\n")
    with pytest.raises(ConfigError, match=r"^CFG001 \.env: line 2") as caught:
        load(tmp_path, API + ORDERS)
    assert "CANARY" not in str(caught.value)


def test_included_files_add_tables(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.toml").write_text(ORDERS)
    config = load(tmp_path, 'include = ["more/*.toml", "none/*.toml"]\n' + API)
    assert http_of(config.pipeline("myteam.orders")).path == "/orders"


def test_an_included_file_is_found_by_each_way_of_writing_it_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(ORDERS)
    assert load(tmp_path, 'include = ["*.toml", "a.toml"]\n' + API).names == ("myteam.orders",)


def test_a_duplicate_over_files_names_both(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(ORDERS)
    with pytest.raises(ConfigError, match=r"duplicate.* in pipelines\.toml and in b\.toml"):
        load(tmp_path, 'include = ["b.toml"]\n' + API + ORDERS)


def test_a_fault_in_an_included_pipeline_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(ORDERS + "pathh = 1\n")
    with pytest.raises(ConfigError, match=r"^CFG001 b\.toml: pipelines"):
        load(tmp_path, 'include = ["b.toml"]\n' + API).pipeline("myteam.orders")


def test_an_included_file_that_is_absent_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: can't be read"):
        load(tmp_path, 'include = ["absent.toml"]\n')


@pytest.mark.parametrize("table", ["engine", "defaults"])
def test_what_holds_for_all_belongs_into_the_main_file(tmp_path: Path, table: str) -> None:
    (tmp_path / "b.toml").write_text(f"[{table}]\n")
    with pytest.raises(ConfigError, match="belongs into the main file"):
        load(tmp_path, 'include = ["b.toml"]\n')


def test_an_unknown_table_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='piplines: unknown table; did you mean "pipelines"'):
        load(tmp_path, "[piplines.a.b]\n")


@pytest.mark.parametrize(
    "key",
    ["engine.memory_limit=256MiB", 'engine.memory_limit="256MiB"', "engine.memory_limit=268435456"],
)
def test_set_changes_the_engine(tmp_path: Path, key: str) -> None:
    assert load(tmp_path, API + ORDERS, overrides=[key]).engine.memory_limit == 256 * 1024**2


def test_set_changes_selected_pipelines_and_named_tables(tmp_path: Path) -> None:
    pipeline = load(
        tmp_path,
        API + ORDERS,
        overrides=[
            "output.compression=snappy",
            "apis.shop.base_url=https://other.example/a=b",
            "source.params.since=2025-01-01",
            "pipelines.myteam.orders.entity=renamed",
        ],
    ).pipeline("myteam.orders")
    assert pipeline.output.compression == "snappy"
    assert http_of(pipeline).api.base_url == "https://other.example/a=b"
    assert http_of(pipeline).params == {"since": "2025-01-01"}
    assert pipeline.entity == "renamed"


def test_set_of_a_type_may_stand_before_or_after_its_keys(tmp_path: Path) -> None:
    text = pipeline_table("source.paginator", 'type = "page"\npage_param = "p"')
    sets = ["source.paginator.type=cursor", "source.paginator.cursor_path=next"]
    for overrides in (sets, sets[::-1]):
        source = http_of(load(tmp_path, text, overrides=overrides).pipeline("myteam.orders"))
        assert source.paginator == CursorPaginator(cursor_path="next")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("nonsense", "no assignment"),
        ("=x", "no assignment"),
        ("apis.shpo.base_url=x", 'did you mean "shop"'),
        ("pipelines.myteam.order.load=full", 'did you mean "myteam.orders"'),
        ("apis.shop=x", "name a key within"),
        ("engine=x", "name a key within"),
        ("engine.memory_limitt=1", 'did you mean "memory_limit"'),
    ],
)
def test_a_wrong_set_is_a_configuration_error(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, API + ORDERS, overrides=[override])


def test_a_wrong_key_in_a_set_is_found_when_the_pipeline_is_resolved(tmp_path: Path) -> None:
    config = load(tmp_path, API + ORDERS, overrides=["output.compresion=snappy"])
    with pytest.raises(ConfigError, match='did you mean "compression"'):
        config.pipeline("myteam.orders")


def test_defaults_lie_below_templates_and_templates_below_the_pipeline(tmp_path: Path) -> None:
    text = (
        API
        + '[defaults]\ntags = ["d"]\nprimary_key = ["d"]\n[defaults.output]\ncompression = "gzip"\n'
        + "row_group_rows = 7\n"
        + '[templates.t]\ntags = ["t"]\n[templates.t.output]\ncompression = "lz4"\n'
        + "max_rows_per_file = 8\n"
        + '[templates.t.source]\ntype = "http"\napi = "shop"\npath = "/t"\n'
        + '[templates.t.source.paginator]\ntype = "page"\npage_param = "p"\n'
        + '[pipelines.a.b]\nextends = "t"\n[pipelines.a.b.output]\ncompression = "none"\n'
        + '[pipelines.a.c]\nextends = "a.b"\n[pipelines.a.c.source.paginator]\ntype = "none"\n'
    )
    config = load(tmp_path, text)
    b, c = config.pipeline("a.b"), config.pipeline("a.c")
    assert (b.tags, b.primary_key) == (("t",), ("d",))
    assert (b.output.compression, b.output.max_rows_per_file, b.output.row_group_rows) == (
        "none",
        8,
        7,
    )
    assert http_of(b).paginator == PagePaginator(page_param="p")
    assert http_of(c).paginator == NoPaginator()
    assert (http_of(c).path, c.output.compression) == ("/t", "none")


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ('"a.b"', r"a circle: a\.b -> a\.b"),
        ('"a.c"', r"a circle: a\.b -> a\.c -> a\.b"),
        ('"t"', r"a circle: a\.b -> t -> u -> t"),
        ('"tt"', 'there is no template "tt"'),
        ('"a.x"', 'there is no pipeline "a.x"'),
        ('["t"]', "expected the name of one template"),
    ],
)
def test_a_circle_or_an_unknown_base_is_a_fault(tmp_path: Path, extends: str, message: str) -> None:
    text = (
        '[templates.t]\nextends = "u"\n[templates.u]\nextends = "t"\n'
        f'[pipelines.a.b]\nextends = {extends}\n[pipelines.a.c]\nextends = "a.b"\n'
    )
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text).pipeline("a.b")


def test_false_takes_an_inherited_table_away(tmp_path: Path) -> None:
    text = (
        API
        + '[templates.t]\nload = "incremental"\n[templates.t.incremental]\ncursor = "u"\n'
        + '[templates.t.source]\ntype = "http"\napi = "shop"\n'
        + "[templates.t.source.rate_limit]\nrps = 1\n"
        + '[pipelines.a.b]\nextends = "t"\nload = "full"\nincremental = false\n'
        + "[pipelines.a.b.source]\nrate_limit = false\n"
    )
    pipeline = load(tmp_path, text).pipeline("a.b")
    assert pipeline.incremental is None
    assert http_of(pipeline).rate_limit is None


def test_the_default_rate_is_for_apis_without_one(tmp_path: Path) -> None:
    environ = {"BRONZE_API_RPS": "2.5"}
    api = load(tmp_path, API, environ=environ).api("shop")
    assert api.rate_limit is not None
    assert api.rate_limit.rps == 2.5
    own = API + "[apis.shop.rate_limit]\nrps = 9\n"
    rate = load(tmp_path, own, environ=environ).api("shop").rate_limit
    assert rate is not None
    assert rate.rps == 9
    assert load(tmp_path, API).api("shop").rate_limit is None


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "fast"])
def test_a_wrong_default_rate_is_refused(tmp_path: Path, rate: str) -> None:
    with pytest.raises(ConfigError, match=f'BRONZE_API_RPS: .*, got "{rate}"'):
        load(tmp_path, API, environ={"BRONZE_API_RPS": rate})


def test_the_log_level_comes_from_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path, "").log_level == "INFO"
    assert load(tmp_path, "", environ={"BRONZE_LOG_LEVEL": "debug"}).log_level == "DEBUG"
    assert load(tmp_path, "", environ={"BRONZE_LOG_LEVEL": "WARN"}).log_level == "WARNING"
    with pytest.raises(ConfigError, match='LEVEL: "DEBUGG" is no level; did you mean "DEBUG"'):
        load(tmp_path, "", environ={"BRONZE_LOG_LEVEL": "DEBUGG"})


STORES = '[stores.lake]\ntype = "local"\npath = "store"\n'


@pytest.mark.parametrize(
    ("engine", "own", "environ", "override", "expected"),
    [
        ("", "", {}, [], "bronze"),
        ('target = "elsewhere"', "", {}, [], "elsewhere"),
        ('target = "~/x"', "", {"HOME": "/home/me"}, [], "/home/me/x"),
        ("", 'target = "./mine"', {}, [], "mine"),
        ("", 'target = "./mine"', {"BRONZE_TARGET_ROOT": "/root/${X}"}, [], "/root/${X}"),
        ("", "", {"BRONZE_TARGET_ROOT": "/r"}, ["target=/set"], "/set"),
        ("", "", {"BRONZE_TARGET_ROOT": "/r"}, ["engine.target=/set"], "/set"),
    ],
)
def test_where_a_pipeline_lands(
    tmp_path: Path,
    engine: str,
    own: str,
    environ: dict[str, str],
    override: list[str],
    expected: str,
) -> None:
    orders = ORDERS.replace("[pipelines.myteam.orders]", f"[pipelines.myteam.orders]\n{own}", 1)
    config = load(
        tmp_path, f"[engine]\n{engine}\n{API}{orders}", environ=environ, overrides=override
    )
    assert config.pipeline("myteam.orders").target.location == str(tmp_path / expected)


def test_a_target_or_state_may_be_a_store(tmp_path: Path) -> None:
    text = f'[engine]\ntarget = "lake"\nstate = "./state"\n{STORES}{API}{ORDERS}'
    config = load(tmp_path, text)
    pipeline = config.pipeline("myteam.orders")
    assert pipeline.target == config.store("lake")
    assert pipeline.target.location == str(tmp_path / "store")
    assert pipeline.state is not None
    assert pipeline.state.location == str(tmp_path / "state")


def test_a_store_is_read_from_the_environment_only_when_it_is_used(tmp_path: Path) -> None:
    store = '[stores.lake]\ntype = "local"\npath = "${LAKE}"\n'
    text = f"{store}{API}{ORDERS}"
    assert load(tmp_path, text).pipeline("myteam.orders").target.location == str(
        tmp_path / "bronze"
    )
    with pytest.raises(ConfigError, match=r"stores\.lake\.path: the environment variable LAKE"):
        load(tmp_path, text).store("lake")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("laek", 'there is no store "laek"; did you mean "lake"'),
        ("ftp://bucket/x", 'the scheme "ftp" is no store'),
        ("", "is empty"),
    ],
)
def test_a_wrong_target_is_refused(tmp_path: Path, target: str, message: str) -> None:
    text = f'[engine]\ntarget = "{target}"\n{STORES}{API}{ORDERS}'
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, text).pipeline("myteam.orders")


def test_unknown_names_get_suggestions(tmp_path: Path) -> None:
    config = load(tmp_path, API + STORES + ORDERS.replace('"shop"', '"shpo"'))
    with pytest.raises(
        ConfigError, match=r'source\.api: there is no API "shpo"; did you mean "shop"'
    ):
        config.pipeline("myteam.orders")
    with pytest.raises(
        ConfigError, match=r'no pipeline "myteam\.order"; did you mean "myteam\.orders"'
    ):
        config.pipeline("myteam.order")
    with pytest.raises(ConfigError, match="no API"):
        config.api("x")
    with pytest.raises(ConfigError, match="no store"):
        config.store("x")


def test_two_pipelines_may_not_own_the_same_place(tmp_path: Path) -> None:
    other = (
        '[pipelines.x.y]\nsystem = "myteam"\nentity = "orders"\n'
        '[pipelines.x.y.source]\ntype = "http"\napi = "shop"\n'
    )
    with pytest.raises(ConfigError, match=r"myteam/orders belongs to pipelines\.x\.y too"):
        load(tmp_path, API + ORDERS + other).pipeline("myteam.orders")
    apart = other.replace('entity = "orders"', 'entity = "orders"\ntarget = "./elsewhere"')
    load(tmp_path, API + ORDERS + apart).pipeline("myteam.orders")
    with pytest.raises(ConfigError, match="belongs to"):
        load(tmp_path, API + ORDERS + apart, environ={"BRONZE_TARGET_ROOT": "/one"}).pipeline(
            "myteam.orders"
        )


def test_a_first_watermark_may_be_a_bare_date(tmp_path: Path) -> None:
    text = pipeline_table("incremental", 'cursor = "u"\ninitial = 2025-01-01').replace(
        "[pipelines.myteam.orders]\n", '[pipelines.myteam.orders]\nload = "incremental"\n', 1
    )
    incremental = load(tmp_path, text).pipeline("myteam.orders").incremental
    assert incremental is not None
    assert incremental.initial == "2025-01-01T00:00:00Z"
    zoned = load(tmp_path, text, overrides=["incremental.cursor_timezone=Europe/Berlin"]).pipeline(
        "myteam.orders"
    )
    assert zoned.incremental is not None
    assert zoned.incremental.initial == "2025-01-01T00:00:00"
    dated = load(tmp_path, text, overrides=["incremental.cursor_type=date"])
    assert dated.pipeline("myteam.orders").incremental == zoned.incremental.__class__(
        cursor="u", cursor_type="date", initial="2025-01-01"
    )


def test_dates_become_text_in_params_and_json(tmp_path: Path) -> None:
    text = pipeline_table("source.params", "day = 2025-01-01\nat = 2025-01-01T10:00:00Z") + (
        "[pipelines.myteam.orders.source.json]\nfrom = 2025-01-01\nlist = [10:00:00]\n"
    )
    config = load(tmp_path, text, overrides=["source.method=POST"])
    source = http_of(config.pipeline("myteam.orders"))
    assert source.params == {"day": "2025-01-01", "at": "2025-01-01T10:00:00Z"}
    assert source.json == {"from": "2025-01-01", "list": ["10:00:00"]}


def test_a_variable_may_stand_where_a_number_is_meant(tmp_path: Path) -> None:
    text = pipeline_table("output", 'row_group_rows = "${N:-5}"\nload_columns = "${L:-false}"')
    assert load(tmp_path, text).pipeline("myteam.orders").output.row_group_rows == 5
    output = load(tmp_path, text, environ={"N": "6", "L": "true"}).pipeline("myteam.orders").output
    assert (output.row_group_rows, output.load_columns) == (6, True)
    with pytest.raises(ConfigError, match=r"whole number .*got a text from a variable") as caught:
        load(tmp_path, text, environ={"N": "six-canary"}).pipeline("myteam.orders")
    assert "canary" not in str(caught.value)


def test_secrets_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("file-token\n")
    text = API + '[apis.shop.auth]\ntype = "bearer"\ntoken = "${file:token}"\n'
    config = load(tmp_path, text)
    auth = config.api("shop").auth
    assert isinstance(auth, BearerAuth)
    assert auth.token.reveal() == "file-token"
    assert "file-token" in config.secrets


def test_certificates_are_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    text = API + 'ca_file = "ca.pem"\n'
    assert load(tmp_path, text).api("shop").ca_file == str(tmp_path / "ca.pem")
    with pytest.raises(
        ConfigError, match=r"apis\.shop\.ca_file: .*absent.pem can.t be read: No such file"
    ):
        load(tmp_path, API + 'ca_file = "absent.pem"\n').api("shop")


def test_logs_lie_beside_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, "").engine.log_dir == str(tmp_path / "logs")
    assert load(tmp_path, '[engine]\nlog_dir = ""\n').engine.log_dir == ""


def test_spill_dir_lies_beside_the_file_or_is_the_systems(tmp_path: Path) -> None:
    spill = load(tmp_path, '[engine]\nspill_dir = "spill"\n').engine.spill_dir
    assert spill == str(tmp_path / "spill")
    assert load(tmp_path, "").engine.spill_dir is None
    with pytest.raises(ConfigError, match=r"engine\.spill_dir: "):
        load(tmp_path, '[engine]\nspill_dir = ""\n')


def test_credentials_over_plain_http_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    auth = '[apis.shop.auth]\ntype = "bearer"\ntoken = "a-token"\n'
    for host, count in (("http://shop.example", 1), ("http://127.0.0.1:1", 0), ("https://x.y", 0)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            load(tmp_path, f'[apis.shop]\nbase_url = "{host}"\n{auth}').api("shop")
        assert len(caplog.records) == count

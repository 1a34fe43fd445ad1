"""Every wrong configuration is CFG001 with its key, and nothing of msgspec in the message."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, load, pipeline_table

pytestmark = pytest.mark.unit

INCREMENTAL = ORDERS.replace(
    "[pipelines.myteam.orders]\n", '[pipelines.myteam.orders]\nload = "incremental"\n', 1
)
PAGE = 'type = "page"\n'
P = "pipelines.myteam.orders"


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text).pipeline("myteam.orders")
    error: BaseException = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    message = str(error)
    assert message.startswith("CFG001 pipelines.toml")
    assert "$" not in message.replace("${", "").replace("$$", "")  # msgspec's paths
    return message


@pytest.mark.parametrize(
    ("table", "body", "message"),
    [
        (
            "source.paginator",
            PAGE + "page_sise = 3",
            f'{P}.source.paginator.page_sise: unknown key; did you mean "page_size"?',
        ),
        (
            "source.paginator",
            PAGE + 'page_size = "3"',
            f'{P}.source.paginator.page_size: expected a whole number (at least 1), got "3"',
        ),
        ("source.paginator", PAGE + "page_size = 0", "(at least 1), got 0"),
        ("source.paginator", PAGE + "page_size = true", "whole number (at least 1), got true"),
        (
            "source.paginator",
            'type = "pages"',
            f'{P}.source.paginator.type: unknown type "pages"; did you mean "page"?',
        ),
        ("source.paginator", "page_size = 3", "source.paginator.type: missing; known are"),
        ("source.paginator", "type = 3", "a number is no type"),
        ("source.paginator", 'type = "cursor"', "cursor_path: missing; it is a string"),
        ("source.rate_limit", "rps = -1", "rps: expected a number (above 0), got -1"),
        ("source.rate_limit", "rps = nan", "rps: expected a number (above 0), got nan"),
        ("source.rate_limit", "rps = inf", "rps: expected a number (above 0), got inf"),
        ("source.rate_limit", "rps = 1\nburst = 0", "burst: expected a whole number"),
        ("source.retry", 'backoff = "soon"', 'backoff: expected a duration ("500ms"'),
        ("source.retry", "backoff = -1", "backoff: expected a duration"),
        ("source.retry", "backoff = inf", "backoff: expected a duration"),
        ("output", 'row_group_bytes = "64 MBit"', "row_group_bytes: expected a size"),
        ("output", 'compression = "zstdd"', 'got "zstdd"; did you mean "zstd"?'),
        ("output", "compression = 1", 'compression: expected "zstd" or'),
        ("output", "load_columns = 1", "load_columns: expected true or false, got 1"),
        ("schema", 'on_drift = "x"', "schema.on_drift: expected"),
        ("schema", "columns = 1", "schema.columns: expected a table, got a number"),
        ("schema", 'contract = "frozen"', "schema.contract: expected"),
        (
            "schema",
            'contract = "freeze"\non_drift = "widen"',
            f'{P}.schema.on_drift: is "widen", and contract = "freeze" fails at any value',
        ),
        ("schema", 'contract = "freeze"\non_drift = "quarantine"', "schema.on_drift: is "),
        ("schema", 'nested = "text"', "schema.nested: expected"),
        ("schema", 'flatten = ""', "schema.flatten: is empty; write what stands between"),
        ("schema", 'flatten = "__variant"', "schema.flatten: may not end in"),
        ("schema", "flatten_depth = 1", "schema.flatten_depth: is a limit of flatten; set"),
        ("schema", 'flatten = "_"\nflatten_depth = 0', "schema.flatten_depth: expected"),
        (
            "quality",
            'duplicates = "drop"',
            f'{P}.quality.duplicates: is "drop", and rows are told apart by primary_key; set that',
        ),
        ("quality", 'duplicates = "drip"', "quality.duplicates: expected"),
        ("schema.columns", 'a = "epoch_m"', "did you mean"),
        ("schema.columns", 'a = "int46"', 'schema.columns.a: "int46" is no type; did you mean'),
        ("schema.columns", 'a = "decimal(3,4)"', "the scale at most as many"),
        ("schema.columns", 'a = "decimal(77,4)"', "1 to 76 digits"),
        ("schema.columns", 'a = "timestamp(us, Mars/X)"', "is no time zone"),
        ("schema.columns", '"a b" = "x"', f'{P}.schema.columns."a b": '),
        (
            "quality",
            "max_bad_ratio = 2",
            "max_bad_ratio: expected a number (at least 0, at most 1)",
        ),
        ("source.params", "a = {}", "source.params.a: expected"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, table: str, body: str, message: str) -> None:
    assert message in refused(tmp_path, pipeline_table(table, body))


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("bigint", "int64"),  # and not int8, which is nearer by its letters
        ("integr", "int64"),
        ("INT64", "int64"),
        ("uint", "uint64"),
        ("varchar(20)", "string"),
        ("float", "double"),
        ("datetime", "timestamp"),
        ("timestamptz", "timestamp"),
        ("NUMBER(10, 2)", "decimal(10, 2)"),
        ("numeric(10)", "decimal(10,0)"),
        ("numeric", "decimal(18,4)"),
        ("in64", "int64"),
    ],
)
def test_a_type_of_sql_arrow_or_python_is_told_as_ours(
    tmp_path: Path, kind: str, meant: str
) -> None:
    told = refused(tmp_path, pipeline_table("schema.columns", f'a = "{kind}"'))
    assert f'"{kind}" is no type; did you mean "{meant}"?' in told


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("load = 3", f"{P}.load: expected"),
        ('name = "x"', f"{P}.name: unknown key"),
        ('config_hash = "x"', "config_hash: unknown key"),
        ("state = {}", "state: unknown key"),
        ('primary_key = "id"', "primary_key: expected an array of strings"),
        ("primary_key = [1]", "primary_key: expected an array of strings"),
        ('primary_key = [""]', "primary_key: holds an empty name"),
        ("schema = 1", "schema: expected a table, got a number"),
        ('system = "../up"', '.system: "../up" is no part of a path'),
        ('system = "a/b"', "is no part of a path"),
        ('system = "a\\\\b"', "is no part of a path"),
        ('system = ""', "system: is empty"),
        ('system = "_state"', "is no part of a path"),
        ('entity = ".."', "is no part of a path"),
        ('entity = "a..b"', "is no part of a path"),
        ('entity = ".hidden"', "is no part of a path"),
        ('entity = "dt=2025-01-01"', "is no part of a path"),
        ('entity = "a."', "is no part of a path"),
        (f'entity = "{"a" * 129}"', "is no part of a path"),
        ('entity = "a\\u0000"', "is no part of a path"),
        ('load = "incremental"', f'{P}.load: "incremental" needs a table [{P}.incremental]'),
        ('load = "cdc"', f'{P}.load: "cdc" needs a table [{P}.cdc]'),
        ("incremental = {cursor = 'u'}", 'load: is "full", but there is an [incremental] table'),
    ],
)
def test_a_wrong_pipeline_is_refused(tmp_path: Path, key: str, message: str) -> None:
    text = ORDERS.replace("[pipelines.myteam.orders]\n", f"[pipelines.myteam.orders]\n{key}\n", 1)
    assert message in refused(tmp_path, API + text)


def test_names_with_dots_inside_are_fine_for_system_and_entity(tmp_path: Path) -> None:
    text = ORDERS.replace(
        "[pipelines.myteam.orders]\n", '[pipelines.myteam.orders]\nentity = "v1.orders-x_y"\n', 1
    )
    assert load(tmp_path, API + text).pipeline("myteam.orders").entity == "v1.orders-x_y"


@pytest.mark.parametrize(
    "name", ['"../x"', '"a/b"', '""', '"_x"', '"-x"', '" "', '"x y"', '"dt=1"', '"é"', '"a.b.c"']
)
@pytest.mark.parametrize("form", ["[pipelines.myteam.{}]", "[pipelines.{}.orders]"])
def test_names_that_are_no_names_are_refused(tmp_path: Path, name: str, form: str) -> None:
    with pytest.raises(ConfigError, match="CFG001"):
        load(tmp_path, API + form.format(name) + "\n")


def test_a_name_of_one_part_is_explained(tmp_path: Path) -> None:
    text = '[pipelines.orders.source]\ntype = "http"\n'
    with pytest.raises(ConfigError, match=r"write \[pipelines\.TEAM\.orders\]"):
        load(tmp_path, text)
    with pytest.raises(ConfigError, match=r"expected tables: \[pipelines\.x\.NAME\]"):
        load(tmp_path, "[pipelines]\nx = 1\n")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("shop.example/v1", "has no scheme"),
        ("ftp://shop.example", 'has the scheme "ftp"'),
        ("https://", "has no host"),
        ("https:///v1", "has no host"),
        ("https://u:CANARY@shop.example", "has a user or password in it"),
        ("https://shop.example/#x", "has a fragment"),
        ("https://shop.example:port/", "is no URL"),
        ("https://[::1/", "is no URL"),
        ("https://shop.example/a b", "is no URL"),
        ("", "has no scheme"),
    ],
)
def test_a_wrong_base_url_is_refused(tmp_path: Path, url: str, message: str) -> None:
    found = refused(tmp_path, f'[apis.shop]\nbase_url = "{url}"\n{ORDERS}')
    assert "apis.shop.base_url: " in found
    assert message in found
    assert "CANARY" not in found


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('[apis.shop.headers]\nAuthorization = "x"\n{auth}', "what [auth] sends too"),
        ('[apis.shop.headers]\nauthorization = "x"\n{auth}', "what [auth] sends too"),
        ('[apis.shop.headers]\nx-api-key = "x"\n{key}', "headers.x-api-key: is what [auth]"),
        ('[apis.shop.headers]\nAuthorization = "x"\n{key}', "a second credential"),
        ('[apis.shop.headers]\n"X Y" = "x"', 'headers."X Y": is no name'),
        ('[apis.shop.headers]\nX-A = "x"\nx-a = "y"', "is the same header as X-A"),
        ('[apis.shop.headers]\nX-A = "x\\ny"', "has a line break"),
        ("[apis.shop.headers]\nX-A = 5", "headers.X-A: expected a string, got a number"),
        ('[apis.shop.auth]\ntype = "bearer"\ntoken = ""', "auth.token: is empty"),
        ('[apis.shop.auth]\ntype = "bearer"\ntoken = "x\\n"', "holds a line break"),
        ('[apis.shop.auth]\ntype = "bearer"\ntoken = 5', "token: expected a string, got a number"),
        ('[apis.shop.auth]\ntype = "basic"\nusername = "a:b"\npassword = "x"', "holds a colon"),
        ('[apis.shop.auth]\ntype = "api_key"\nkey = "x"\nname = "a b"', "is no name of a header"),
        (
            '[apis.shop.auth]\ntype = "api_key"\nkey = "x"\nname = ""\nlocation = "query"',
            "auth.name: is empty",
        ),
        ('[apis.shop.auth]\ntype = "oauth"', 'unknown type "oauth"'),
        ("[apis.shop.timeout]\nread = 0", "timeout.read: must be above zero"),
        (
            "[apis.shop.retry]\nattempts = 0",
            "attempts: expected a whole number (at least 1, at most",
        ),
        ("[apis.shop.circuit_breaker]\nfailures = 0", "failures: expected"),
        ("allowed_origins = ['shop.example']", "an origin is a scheme and a host"),
        ("allowed_origins = ['https://shop.example/x']", "an origin is a scheme and a host"),
        ("proxy = 'proxy.example'", 'expected "env", "none" or a URL'),
        ("proxy = 'http://proxy .example'", 'expected "env", "none" or a URL'),
        ("client_key = 'x'", "client_key: needs client_cert"),
        ("concurrency = 'many'", "concurrency: expected a whole number (at least 1, at most 1000)"),
        ("concurrency = 0", "concurrency: expected"),
        ("name = 'x'", "apis.shop.name: unknown key"),
        ("bas_url = 'x'", 'did you mean "base_url"'),
    ],
)
def test_a_wrong_api_is_refused(tmp_path: Path, body: str, message: str) -> None:
    auth = '[apis.shop.auth]\ntype = "bearer"\ntoken = "token"\n'
    key = '[apis.shop.auth]\ntype = "api_key"\nkey = "value"\n'
    text = API + body.replace("{auth}", auth).replace("{key}", key) + "\n" + ORDERS
    assert message in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('path = "https://other.example/x"', "leave the host out"),
        ('path = "//other.example/x"', "leave the host out"),
        ('path = "/x#b"', "has a fragment"),
        ("json = {a = 1}", 'write method = "POST"'),
        ("max_page_bytes = 0", "max_page_bytes: must be above zero"),
        ('records = "a..b"', 'source.records: "a..b" is no dotted path'),
        ('records = ""', "is no dotted path"),
        ('path = "/{rundate}"', "source.path: unknown template {rundate}"),
        ('path = "/{low}"', '{low} needs load = "incremental"'),
        ('path = "/{run_date:%Y"', "a single `{` is no template"),
        ('params = {a = "}"}', "source.params.a: a single `}` is no template"),
        ('params = {a = "{high}"}', "{high} needs load"),
        ('method = "POST"\njson = {a = [{b = "{x}"}]}', "source.json: unknown template {x}"),
        ('params = {page = 1}\npaginator = {type = "page"}', "params.page: is set twice"),
        ('params = {n = 1}\npaginator = {type = "offset", offset_param = "n"}', "is set twice"),
        (
            'paginator = {type="cursor", cursor_path="c", page_size=1, size_param="cursor"}',
            "is set twice: by paginator.cursor_param and by paginator.size_param",
        ),
        ('paginator = {type = "page", size_param = "page", page_size = 1}', "is set twice"),
        ('api = ""', 'there is no API ""'),
        ("api = 5", "api: expected a string, got 5; write it in quotes"),
        ('paginator = {type = "page", size_param = "n"}', "size_param: has nothing to send"),
        ('paginator = {type = "page", stop_on_short_page = true}', "can't tell what is short"),
        ('paginator = {type = "offset", parallel = 2}', "parallel: needs page_size"),
        ('paginator = {type = "next_url", next_path = "a."}', "paginator.next_path"),
        ('paginator = {type = "page", max_page = 3}', 'did you mean "max_pages"'),
        ('paginator = {type = "page", per_page = 3}', 'per_page: unknown key; did you mean "page_'),
        ('paginator = {type = "link"}', 'unknown type "link"; did you mean "link_header"?'),
        ("body = {a = 1}", 'source.body: unknown key; did you mean "json"?'),
        ('format = "jsonl"', 'got "jsonl"; did you mean "ndjson"?'),
        ('url = "/x"', 'source.url: unknown key; did you mean "path"?'),
    ],
)
def test_a_wrong_source_is_refused(tmp_path: Path, source: str, message: str) -> None:
    key = source.partition(" ")[0]
    text = "\n".join(line for line in ORDERS.splitlines() if not line.startswith(f"{key} ="))
    assert message in refused(tmp_path, f"{API}{text}\n{source}\n")


def test_a_source_without_an_api_hears_which_there_are(tmp_path: Path) -> None:
    text = ORDERS.replace('api = "shop"\n', "")
    assert 'source.api: missing; it names an entry of [apis]: known are "shop"' in refused(
        tmp_path, API + text
    )


def test_a_size_that_is_also_a_parameter_is_refused_with_links_too(tmp_path: Path) -> None:
    text = 'params = {n = 1}\npaginator = {type = "next_url", next_path = "x", size_param = "n", '
    assert "params.n: is set twice" in refused(tmp_path, f"{API}{ORDERS}{text}page_size = 1}}\n")


def test_a_query_key_that_is_also_a_parameter_is_refused(tmp_path: Path) -> None:
    auth = '[apis.shop.auth]\ntype = "api_key"\nkey = "v"\nname = "k"\nlocation = "query"\n'
    assert "params.k: is set twice" in refused(
        tmp_path, API + auth + ORDERS + 'params = {k = "x"}\n'
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('cursor = ""', "cursor: is empty"),
        ('cursor = "u"\ncursor_timezone = "Europe/Berln"', 'did you mean "Europe/Berlin"'),
        ('cursor = "u"\ncursor_type = "integer"\nlag = "5m"', "lag: is for cursor_type"),
        ('cursor = "u"\ncursor_type = "text"\ncursor_timezone = "UTC"', "cursor_timezone: is for"),
        ('cursor = "u"\ncursor_type = "date"\ncursor_timezone = "UTC"', "cursor_timezone: is for"),
        ('cursor = "u"\ninitial = "2025-01-01T00:00:00"', "it has no offset; end it with Z"),
        ('cursor = "u"\ninitial = "x"', "it is no timestamp"),
        ('cursor = "u"\ncursor_type = "integer"\ninitial = "x"', "it is no integer"),
        ('cursor = "u"\nformat = "epoch"', "format: writes bounds that are sent, and none is"),
        ('cursor = "u"\nformat = "epok"\nstart_param = "s"', "format: expected strftime's"),
        (
            'cursor = "u"\ncursor_type = "text"\nformat = "epoch"\nstart_param = "s"',
            "is for timestamps and dates only",
        ),
        ('cursor = "u"\nstart_param = "s"\nend_param = "s"', "is set twice"),
        ('cursor = "u"\nlookback = "5m"', "set the pipeline's primary_key"),
    ],
)
def test_a_wrong_incremental_is_refused(tmp_path: Path, body: str, message: str) -> None:
    text = f"{API}{INCREMENTAL}[{P}.incremental]\n{body}\n"
    assert message in refused(tmp_path, text)


def test_a_path_with_the_low_bound_needs_a_first_one(tmp_path: Path) -> None:
    text = API + INCREMENTAL.replace("/orders", "/orders/{low}", 1)
    body = f'[{P}.incremental]\ncursor = "u"\n'
    assert "set incremental.initial" in refused(tmp_path, text + body)
    load(tmp_path, text + body + "initial = 2025-01-01T00:00:00Z\n").pipeline("myteam.orders")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('compression = "snappy"\ncompression_level = 1', '"snappy" has no levels'),
        ('compression = "gzip"\ncompression_level = 10', '10 is above 9, the highest of "gzip"'),
        ("row_group_bytes = 0", "row_group_bytes: must be above zero"),
        ("max_bytes_per_file = 0", "max_bytes_per_file: must be above zero"),
    ],
)
def test_a_wrong_output_is_refused(tmp_path: Path, body: str, message: str) -> None:
    assert message in refused(tmp_path, pipeline_table("output", body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('timezone = "Mars"', 'engine.timezone: "Mars" is no time zone'),
        ('timezone = "../x"', "is no time zone"),
        ("memory_limit = 0", "memory_limit: must be above zero"),
        ("max_pipelines = 0", "max_pipelines: expected a whole number (at least 1), got 0"),
        ("schedule = 'x'", "engine.schedule: unknown key"),
    ],
)
def test_a_wrong_engine_is_refused_at_once(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"[engine]\n{body}\n")
    assert message in str(caught.value)


def test_an_engine_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"engine: expected a table"):
        load(tmp_path, "engine = 3\n")


def test_all_faults_of_a_pipeline_are_told_together(tmp_path: Path) -> None:
    text = (
        '[apis.shop]\nbase_ulr = "x"\n'
        + ORDERS
        + 'pathh = "x"\nmethod = "PUT"\n'
        + "[pipelines.myteam.orders.output]\nrow_group_rows = -1\n"
    )
    message = refused(tmp_path, text)
    assert "5 faults" in message
    for part in ("base_ulr", "base_url: missing", "pathh", "method", "row_group_rows"):
        assert part in message

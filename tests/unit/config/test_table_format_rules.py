"""[catalogs] and the tables of [output]: what contradicts itself is CFG001, and what is secret
is shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.output import Output
from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, ORDERS, load

pytestmark = pytest.mark.unit

HERE = "pipelines.myteam.orders"
CATALOG = '[catalogs.lake]\ntype = "sql"\nuri = "sqlite:///lake.db"\nwarehouse = "./tables"\n'


def text_of(output: str, *, silver: str | None = None, catalog: str = CATALOG) -> str:
    text = f"{API}{ORDERS}[{HERE}.output]\n{output}\n{catalog}"
    if silver is None:
        return text
    keyed = text.replace(f"[{HERE}]\n", f'[{HERE}]\nprimary_key = ["id"]\n')
    return f"{keyed}[{HERE}.silver.output]\n{silver}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (text_of('table_format = "hudi"'), 'output.table_format: expected "delta" or "iceberg"'),
        (text_of('reap = "never"'), 'output.reap: expected "now" or "next_run"'),
        (
            text_of('table_format = "delta"\nreap = "now"'),
            'output.reap: "now" takes away files that readers of the delta table still open',
        ),
        (text_of('table_format = "iceberg"'), "output.catalog: missing; a table of Iceberg"),
        (text_of('catalog = "lake"'), 'output.catalog: is of table_format = "iceberg"'),
        (
            text_of('table_format = "delta"\ntable = "a.b"'),
            'output.table: is of table_format = "iceberg"',
        ),
        (
            text_of('table_format = "iceberg"\ncatalog = "lak"'),
            'output.catalog: there is no catalog "lak"; did you mean "lake"?',
        ),
        (
            text_of('table_format = "iceberg"\ncatalog = "lake"\ntable = "orders"'),
            'output.table: "orders" is no table; write "namespace.name"',
        ),
        (
            text_of("", silver='table_format = "delta"\nreap = "now"'),
            'silver.output.reap: "now" takes away files',
        ),
        (
            text_of(
                'table_format = "iceberg"\ncatalog = "lake"',
                silver='table_format = "iceberg"\ncatalog = "lake"\ntable = "myteam.orders"',
            ),
            "silver.output.table: myteam.orders is the table of output too",
        ),
    ],
)
def test_contradictions_are_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as found:
        load(tmp_path, text).pipeline("myteam.orders")
    assert message in str(found.value)


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        ('type = "sql"\nwarehouse = "w"', 'catalogs.lake.uri: missing; type = "sql"'),
        ('type = "sql"\nuri = "sqlite:///a.db"', "catalogs.lake.warehouse: missing"),
        ('type = "file"', 'catalogs.lake.type: expected "rest" or "sql"'),
        (
            'type = "rest"\nuri = "http://c"\nproperties = { uri = "http://d" }',
            "catalogs.lake.properties.uri: stands in [catalogs.lake] itself",
        ),
    ],
)
def test_a_catalog_that_can_t_be_opened_is_told(tmp_path: Path, catalog: str, message: str) -> None:
    text = text_of(
        'table_format = "iceberg"\ncatalog = "lake"', catalog=f"[catalogs.lake]\n{catalog}\n"
    )
    config = load(tmp_path, text)
    with pytest.raises(ConfigError) as found:
        config.pipeline("myteam.orders")
    assert message in str(found.value)
    assert any(message in str(error) for error in config.check_all())


def test_a_catalog_s_paths_are_beside_the_file(tmp_path: Path) -> None:
    text = text_of(
        'table_format = "iceberg"\ncatalog = "lake"',
        silver='table_format = "iceberg"\ncatalog = "lake"',
    )
    pipeline = load(tmp_path, text).pipeline("myteam.orders")
    catalog = pipeline.catalogs["lake"]
    assert catalog.uri is not None
    assert catalog.uri.reveal() == f"sqlite:///{tmp_path}/lake.db"
    assert catalog.warehouse == (tmp_path / "tables").as_uri()
    names = [pipeline.table_of(output) for output, _ in pipeline.table_outputs]
    assert names == ["myteam.orders", "myteam.orders_silver"]


def test_a_catalog_s_secrets_are_hidden(tmp_path: Path) -> None:
    catalog = (
        '[catalogs.lake]\ntype = "sql"\nwarehouse = "s3://w/h"\n'
        'uri = "postgresql://writer-of-tables:pass-of-db@db/catalog"\n'
        '[catalogs.lake.properties]\n"s3.secret-access-key" = "key-of-s3"\n'
        '"s3.region" = "${REGION}"\ntoken = "${TOKEN}"\n'
    )
    text = text_of('table_format = "iceberg"\ncatalog = "lake"', catalog=catalog)
    environ = {"TOKEN": "token-of-rest", "REGION": "eu-central-1"}
    config = load(tmp_path, text, environ=environ)
    shown = repr(config.pipeline("myteam.orders"))
    assert {"pass-of-db", "key-of-s3", "token-of-rest"} <= config.secrets
    assert "eu-central-1" not in config.secrets
    assert [secret for secret in config.secrets if secret in shown] == []


def test_superseded_files_stay_for_readers_of_tables_and_where_it_is_asked() -> None:
    assert not Output().keeps_superseded
    assert not Output(reap="now").keeps_superseded
    assert Output(reap="next_run").keeps_superseded
    assert Output(table_format="delta").keeps_superseded


def test_the_rows_are_the_same_with_a_table_over_them(tmp_path: Path) -> None:
    plain = load(tmp_path, f"{API}{ORDERS}").pipeline("myteam.orders")
    with_table = load(tmp_path, text_of('table_format = "delta"')).pipeline("myteam.orders")
    assert plain.config_hash == with_table.config_hash


ICEBERG = 'table_format = "iceberg"\ncatalog = "lake"'


@pytest.mark.parametrize("character", ["#", "?"])
@pytest.mark.parametrize("which", ["output", "silver.output"])
def test_a_place_that_readers_of_iceberg_would_cut_is_refused(
    tmp_path: Path, character: str, which: str
) -> None:
    outputs = (ICEBERG, None) if which == "output" else ("", ICEBERG)
    text = text_of(outputs[0], silver=outputs[1])
    place = f"a{character}b/lake"
    for text_at, named in (
        (f'engine.target = "{place}"\n{text}', "the target"),
        (text.replace("./tables", f"./{place}"), "catalogs.lake.warehouse"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, text_at).pipeline("myteam.orders")
        told = str(caught.value)
        assert f"{which}.table_format: " in told
        assert f"{place}" in told
        assert named in told
        assert f'"{character}"' in told


def test_a_place_that_looks_escaped_is_taken_as_it_is(tmp_path: Path) -> None:
    """tests/unit/tables/test_iceberg.py lands into one."""
    text = f'engine.target = "a%20b ü[*;"\n{text_of(ICEBERG)}'
    assert load(tmp_path, text).pipeline("myteam.orders").output.table_format == "iceberg"


def test_what_a_rest_catalog_calls_its_warehouse_is_its_own_affair(tmp_path: Path) -> None:
    catalog = CATALOG.replace('"sql"', '"rest"').replace("./tables", "urn://w?id=1")
    text = text_of(ICEBERG, catalog=catalog)
    assert load(tmp_path, text).pipeline("myteam.orders").output.table_format == "iceberg"

"""Tables of third parties: read, refused, hidden and hashed as our own are."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import msgspec
import pytest

from bronze_engine import ConfigError, load_config, open_engine
from bronze_engine.adapters import source_type, store_limits, store_opener
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.limit_group import limit_group
from bronze_engine.config.load import Config
from bronze_engine.config.loading.describe import json_schema
from bronze_engine.config.stores.place import place_of
from bronze_engine.config.stores.store import LocalStoreConfig, StoreConfig
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.plan.asked import date_warning, names_run_date
from bronze_engine.plugins import Api, CustomSource, CustomStore, Duration, RateLimit, Retry, Secret
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ScriptedSource, page

pytestmark = pytest.mark.unit

CANARY = "canary-0123456789"
STRUCTS: list[type[CustomSource | CustomStore]]


class QueueSource(CustomSource, frozen=True, kw_only=True, tag="queue"):
    """A queue of a broker's."""

    no_rows: ClassVar[frozenset[str]] = frozenset({"batch"})

    url: str
    key: Secret | None = None
    """Never shown."""
    batch: int = 10
    every: Duration = Duration(1)
    options: dict[str, str] = msgspec.field(default_factory=dict)
    api: Api | None = None
    rate_limit: RateLimit | None = None
    retry: Retry | None = None

    @property
    def server(self) -> str:
        return self.url.partition("://")[2].partition("/")[0].rpartition("@")[2]

    @property
    def names_run_date(self) -> bool:
        return "{run_date}" in self.url

    def faults(self) -> Iterable[tuple[str, str]]:
        if self.batch < 1:
            yield "batch", "is below 1; a batch has a message"


class VaultStore(CustomStore, frozen=True, kw_only=True, tag="vault"):
    """A store in memory, or around another one."""

    within: StoreConfig | None = None
    key: Secret | None = None

    @property
    def wrapped(self) -> StoreConfig | None:
        return self.within


class BrokenSource(CustomSource, frozen=True, kw_only=True, tag="broken"):
    """Its own check fails, and says what it had in hand."""

    key: Secret

    def faults(self) -> Iterator[tuple[str, str]]:
        raise KeyError(self.key.reveal())


STRUCTS = [QueueSource, VaultStore, BrokenSource]

BASE = """
[engine]
target = "lake"
log_dir = ""
[stores.lake]
type = "vault"
[apis.shop]
base_url = "https://shop.example"
rate_limit = {rps = 5}
[pipelines.team.events.source]
type = "queue"
url = "amqp://broker.example/events"
"""


def load(folder: Path, more: str = "", text: str = BASE, **environ: str) -> Config:
    path = folder / "pipelines.toml"
    path.write_text(text + more)
    return load_config(path, environ=environ, structs=STRUCTS)


def source_of(folder: Path, more: str = "", **environ: str) -> QueueSource:
    source = load(folder, more, **environ).pipeline("team.events").source
    assert isinstance(source, QueueSource)
    return source


def hash_of(folder: Path, more: str = "", **environ: str) -> str:
    return load(folder, more, **environ).pipeline("team.events").config_hash


def test_its_table_is_read_with_units_and_names(tmp_path: Path) -> None:
    source = source_of(tmp_path, 'every = "2m"\napi = "shop"\nretry = {attempts = 2}\n')
    assert source.every == Duration(120)
    assert source.api is not None
    assert source.api.base_url == "https://shop.example"
    assert source.retry == Retry(attempts=2)


def test_a_check_of_its_own_that_fails_is_a_fault_without_secrets(tmp_path: Path) -> None:
    text = BASE.replace('type = "queue"', 'type = "broken"').replace("url =", "key =")
    with pytest.raises(ConfigError, match=r"BrokenSource\.faults has failed: KeyError") as caught:
        load(tmp_path, text=text).pipeline("team.events")
    assert "broker.example" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("batsch = 3\n", 'source.batsch: unknown key; did you mean "batch"?'),
        ('batch = "3"\n', "source.batch: expected a whole number"),
        ("batch = 0\n", "source.batch: is below 1; a batch has a message"),
        ('api = "shopp"\n', 'source.api: there is no API "shopp"; did you mean "shop"?'),
        ("rate_limit = {burst = 3}\n", "rate_limit.burst: is the capacity of a bucket"),
        ("rate_limit = {rps = 0}\n", "rate_limit.rps: expected"),
    ],
)
def test_its_faults_are_told_with_their_keys(tmp_path: Path, more: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, more).pipeline("team.events")
    assert says in str(caught.value)


def test_an_unknown_type_names_what_there_is(tmp_path: Path) -> None:
    text = BASE.replace('"queue"', '"queu"').replace('type = "vault"', 'type = "vaullt"')
    config = load(tmp_path, text=text)
    with pytest.raises(ConfigError, match='unknown type "vaullt"; did you mean "vault"'):
        config.store("lake")
    with pytest.raises(ConfigError, match='unknown type "queu"; did you mean "queue"'):
        config.pipeline("team.events")


def test_secrets_are_hidden_wherever_they_stand(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        'key = "${KEY}"\noptions = {password = "canary-password"}\n',
        text=BASE.replace("broker.", f"me:{CANARY}@broker."),
        KEY="canary-key",
    )
    source = config.pipeline("team.events").source
    assert {CANARY, "canary-key", "canary-password"} <= config.secrets
    assert "canary-key" not in repr(source)


def test_the_hash_counts_what_changes_rows(tmp_path: Path) -> None:
    usual = hash_of(tmp_path)
    same = (
        "batch = 3\n",
        "rate_limit = {rps = 1}\n",
        "retry = {attempts = 2}\n",
        'every = "1s"\n',
    )
    assert {hash_of(tmp_path, more) for more in same} == {usual}
    others = {hash_of(tmp_path, more) for more in ('every = "2s"\n', 'api = "shop"\n')}
    assert len(others | {usual}) == 3
    keys = {hash_of(tmp_path, 'key = "${KEY}"\n', KEY=key) for key in ("first-key", "second-key")}
    assert len(keys) == 1  # a rotated key is no new configuration


def test_its_limits_are_those_of_its_api_or_of_its_server(tmp_path: Path) -> None:
    assert limit_group(source_of(tmp_path)) == "sources.queue.broker.example"
    assert limit_group(source_of(tmp_path, 'api = "shop"\n')) == "shop"


def test_only_one_that_says_so_can_be_asked_for_a_date(tmp_path: Path) -> None:
    pipeline = load(tmp_path).pipeline("team.events")
    assert not names_run_date(pipeline)
    warning = date_warning(pipeline, date(2025, 1, 1), date(2025, 1, 15))
    assert warning is not None
    assert "in what the source is asked for" in warning
    dated = 'url = "amqp://broker.example/{run_date}"'
    text = BASE.replace('url = "amqp://broker.example/events"', dated)
    assert names_run_date(load(tmp_path, text=text).pipeline("team.events"))


@pytest.mark.asyncio
async def test_a_service_hands_its_own_over(tmp_path: Path) -> None:
    store = MemoryStore()

    @asynccontextmanager
    async def opened(config: VaultStore, _: StoreResources) -> AsyncIterator[Store]:
        assert config.name == "lake"
        yield store

    queue = ScriptedSource([[page(1, {"id": 1}, {"id": 2})]])
    config = load(tmp_path, 'api = "shop"\nrate_limit = {rps = 100}\n')
    plug_ins: dict[str, Any] = {"sources": {"queue": queue}, "stores": {"vault": opened}}
    async with open_engine(config, **plug_ins) as engine:
        today = engine.today()
        plan = await engine.plan("team.events", run_date=today)
        assert "100/s" in plan.limits["rate"]
        assert "5/s" in plan.limits["rate"]
        assert plan.limits["group"] == "shop"
        report = await engine.run("team.events", run_date=today)
        assert report.rows == 2
        assert [group.component for group in engine.statistics().limit_groups] == ["ApiExtractor"]


@pytest.mark.asyncio
async def test_what_nobody_opens_is_told(tmp_path: Path) -> None:
    config = load(tmp_path)
    async with open_engine(config, clock=SYSTEM_CLOCK) as engine:
        with pytest.raises(ConfigError, match="nothing reads a source of type = 'queue'"):
            await engine.run("team.events", run_date=engine.today())
        with pytest.raises(ConfigError, match="nothing opens a store of type = 'vault'"):
            await engine.newest("team.events")


class ShelfStore(CustomStore, frozen=True, kw_only=True, tag="shelf"):
    """A store of a service that is asked over a network."""

    retry: Retry = Retry(attempts=2)
    concurrency: int = 3


def test_a_stores_limits_are_those_of_its_table() -> None:
    limits = store_limits(LimitRegistry(SYSTEM_CLOCK, lambda _: None))
    told = limits(ShelfStore(name="lake"), "ShelfStorage").describe()
    assert told["group"] == "store lake"
    assert told["concurrency"] == "3"
    assert told["retry"].startswith("2 attempts")
    usual = limits(VaultStore(name="other"), "VaultStorage").describe()
    assert usual["concurrency"] == "32"


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    class Plain(msgspec.Struct, tag="plain"):
        pass

    class Untagged(CustomSource, frozen=True):
        pass

    (tmp_path / "pipelines.toml").write_text(BASE)
    wrong: Any
    for wrong in (Plain, Untagged):
        with pytest.raises(ConfigError, match=f"{wrong.__name__} is no table of a source"):
            load_config(tmp_path / "pipelines.toml", structs=[wrong])


def test_stores_around_one_store_are_one_place(tmp_path: Path) -> None:
    text = BASE + '[stores.disk]\npath = "bronze"\n'
    text = text.replace('type = "vault"', 'type = "vault"\nwithin = "disk"')
    config = load(tmp_path, text=text)
    assert place_of(config.store("lake")) == place_of(config.store("disk"))
    more = '[pipelines.team.again]\nextends = "team.events"\nentity = "events"\ntarget = "disk"\n'
    with pytest.raises(ConfigError, match=r"belongs to pipelines\.team\.again too"):
        load(tmp_path, more, text=text).pipeline("team.events")


PACKAGE = """
from bronze_engine.plugins import CustomSource, CustomStore


class Shelf(CustomStore, frozen=True, kw_only=True, tag="shelf"):
    path: str


class Opened:
    config = Shelf

    def open(self, config, resources):
        raise NotImplementedError


class Late(CustomSource, frozen=True, kw_only=True, tag="late"):
    pass


class Halfway:
    config = Late

    def open(self, config, request, resources):
        raise NotImplementedError


class Shelf2(CustomSource, frozen=True, kw_only=True, tag="namesake"):
    rows: int


Shelf2.__name__ = "Shelf"


class Namesake(Halfway):
    config = Shelf2


class NeedsMore(Halfway):
    def __init__(self, more):
        pass
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution with entry points, as `pip install` would leave it."""
    site = tmp_path / "site"
    folder = site / "shelved-1.0.dist-info"
    folder.mkdir(parents=True)
    (site / "shelved.py").write_text(PACKAGE)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: shelved\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[bronze_engine.stores]\nshelf = shelved:Opened\n"
        "[bronze_engine.sources]\nlate = shelved:Halfway\nmore = shelved:NeedsMore\n"
        "gone = shelved:Gone\nnamesake = shelved:Namesake\n"
    )
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("shelved", None)


@pytest.mark.usefixtures("installed")
def test_entry_points_are_found_and_their_faults_name_the_distribution() -> None:
    assert store_opener("shelf", {}).__qualname__ == "Opened.open"
    with pytest.raises(ConfigError, match="of shelved\\) has no method floor_bytes and no slices"):
        source_type("late", {})
    with pytest.raises(ConfigError, match="of shelved\\) can't be made: TypeError"):
        source_type("more", {})
    with pytest.raises(ConfigError, match="of shelved\\) can't be imported: AttributeError"):
        source_type("gone", {})


def test_entry_points_are_looked_for_only_where_a_type_is_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look costs a tenth of a second where a few hundred distributions are installed."""

    def look(**_asked: str) -> NoReturn:
        raise AssertionError("every installed distribution was read")

    monkeypatch.setattr("bronze_engine.config.plugins.entry_points", look)
    file = tmp_path / "pipelines.toml"
    file.write_text(
        '[stores.lake]\ntype = "local"\npath = "lake"\n'
        '[pipelines.shop.orders]\ntarget = "lake"\n'
        '[pipelines.shop.orders.source]\ntype = "files"\nurl = "orders.csv"\nformat = "csv"\n'
    )
    pipeline = load_config(file).pipeline("shop.orders")
    assert isinstance(pipeline.target, LocalStoreConfig)


@pytest.mark.usefixtures("installed")
def test_two_tables_of_one_name_have_a_schema_each(tmp_path: Path) -> None:
    points = tmp_path / "site/shelved-1.0.dist-info/entry_points.txt"
    points.write_text(
        "[bronze_engine.stores]\nshelf = shelved:Opened\n"
        "[bronze_engine.sources]\nnamesake = shelved:Namesake\n"
    )
    definitions = json_schema()["$defs"]
    found = [definitions[name]["properties"] for name in definitions if name.endswith("Shelf")]
    assert sorted(key for keys in found for key in keys if key != "single_writer") == [
        "path",
        "rows",
        "type",
        "type",
    ]

"""Which stores are the same place, where an entity can have one owner only."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.stores.place import place_of
from bronze_engine.errors import ConfigError
from tests.unit.config.files import load
from tests.unit.config.stores import CONNECTION, KEY, S3, two_pipelines

pytestmark = pytest.mark.unit
EMULATED = f"AccountName=acct1;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/acct1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('url = "s3://bucket/x"', 'url = "s3a://bucket/x/"'),
        ('url = "s3://bucket/x"', 'url = "S3://bucket//x/"'),
        ('url = "s3://bucket/x"', 'url = "s3://bucket/x"\nregion = "eu-1"\nprofile = "p"'),
        (
            'url = "s3://bucket/x"',
            'url = "s3://bucket/x"\nendpoint_url = "https://s3.eu-1.amazonaws.com"',
        ),
        (
            'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9000"',
            'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9000/"',
        ),
        (
            'url = "az://lake/x"\naccount = "acct1"',
            'url = "abfss://lake@acct1.dfs.core.windows.net/x/"',
        ),
        (
            'url = "az://lake/x"\naccount = "acct1"',
            f'url = "abfs://lake/x"\nconnection_string = "{CONNECTION}"',
        ),
        (
            'url = "az://lake/x"\naccount = "acct1"',
            'url = "az://lake/x"\nendpoint_url = "https://acct1.blob.core.windows.net"',
        ),
        (
            'url = "az://lake/x"\nendpoint_url = "http://127.0.0.1:10000/acct1"',
            f'url = "az://lake/x"\nconnection_string = "{EMULATED}"',
        ),
        ('path = "x"', 'path = "./y/../x/"'),
    ],
)
def test_two_spellings_of_one_place_have_one_owner(tmp_path: Path, one: str, other: str) -> None:
    text = f"[stores.one]\n{one}\n[stores.other]\n{other}\n"
    config = load(tmp_path, text)
    assert place_of(config.store("one")) == place_of(config.store("other"))
    with pytest.raises(ConfigError, match=r"belongs to pipelines\.other\.orders too"):
        load(tmp_path, text + two_pipelines("one", "other")).pipeline("myteam.orders")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('url = "s3://bucket/x"', 'url = "s3://bucket/y"'),
        ('url = "s3://bucket/x"', 'url = "s3://bucket"'),
        ('url = "s3://bucket/x"', 'url = "s3://bucket/X"'),
        ('url = "s3://bucket/x"', 'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9000"'),
        (
            'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9001"',
            'url = "s3://bucket/x"\nendpoint_url = "http://127.0.0.1:9000"',
        ),
        ('url = "az://lake/x"\naccount = "acct1"', 'url = "az://lake/x"\naccount = "acct2"'),
        ('url = "az://lake/x"\naccount = "acct1"', 'url = "az://pond/x"\naccount = "acct1"'),
        ('url = "s3://lake/x"', 'url = "az://lake/x"\naccount = "acct1"'),
        ('url = "s3://lake/x"', 'path = "lake/x"'),
    ],
)
def test_two_places_may_hold_the_same_entity(tmp_path: Path, one: str, other: str) -> None:
    text = f"[stores.one]\n{one}\n[stores.other]\n{other}\n{two_pipelines('one', 'other')}"
    config = load(tmp_path, text)
    assert config.pipeline("myteam.orders").target.name == "one"
    assert config.pipeline("other.orders").target.name == "other"


def test_a_url_and_the_store_of_the_same_url_are_one_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"belongs to pipelines\.other\.orders too"):
        load(tmp_path, S3 + two_pipelines("lake", "s3a://bucket/bronze/")).pipeline("myteam.orders")


def test_two_stores_of_one_location_are_two_stores(tmp_path: Path) -> None:
    """Each with the limits and the credentials of its own."""
    text = f'{S3}concurrency = 4\n[stores.other]\nurl = "s3://bucket/bronze"\nprofile = "p"\n'
    config = load(tmp_path, text)
    one, other = config.store("lake"), config.store("other")
    assert one.location == other.location
    assert one != other
    assert config.check_all() == []

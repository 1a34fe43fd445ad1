"""Whether a request says which date it is asked for, whatever kind of source it is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.plan.asked import names_run_date
from tests.unit.config.files import load

pytestmark = pytest.mark.unit

HEAD = """
[apis.shop]
base_url = "https://shop.example"
[connections.db]
type = "postgres"
host = "db.example"
[pipelines.team.customers.source]
type = "http"
api = "shop"
path = "/customers"
params = { day = "{run_date}" }
[pipelines.team.orders.source]
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('type = "http"\napi = "shop"\npath = "/orders/{run_date:%Y/%m/%d}"', True),
        ('type = "http"\napi = "shop"\npath = "/orders"\nparams = { day = "{run_date}" }', True),
        (
            'type = "http"\napi = "shop"\nmethod = "POST"\njson = { q = { day = "{run_date}" } }',
            True,
        ),
        (
            'type = "http"\napi = "shop"\npath = "/{parent.id}"\nparent = "team.customers"',
            True,
        ),
        ('type = "http"\napi = "shop"\npath = "/orders"', False),
        ('type = "http"\napi = "shop"\npath = "/orders/{{run_date}}"', False),
        ('type = "postgres"\nconnection = "db"\ntable = "t"\nwhere = "day = {run_date}"', True),
        ('type = "postgres"\nconnection = "db"\nquery = "SELECT * FROM t"', False),
        ('type = "files"\nformat = "csv"\nurl = "in/{run_date:%Y%m%d}/*.csv"', True),
        ('type = "files"\nformat = "csv"\nurl = ["in/a.csv", "in/{run_date}.csv"]', True),
        ('type = "files"\nformat = "csv"\nurl = "in/*.csv"', False),
    ],
)
def test_who_names_the_run_date(tmp_path: Path, source: str, expected: bool) -> None:
    pipeline = load(tmp_path, f"{HEAD}{source}\n").pipeline("team.orders")
    assert names_run_date(pipeline) is expected

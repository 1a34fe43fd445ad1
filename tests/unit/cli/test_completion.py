"""What a shell offers at TAB."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.cli.main import app

pytestmark = pytest.mark.unit

PIPELINES = """
[stores.lake]
type = "s3"
url = "s3://lake/bronze"

[apis.shop]
base_url = "${SHOP_URL}"

[connections.crm]
type = "postgres"

[pipelines.shop.orders]
tags = ["hourly", "large"]
source = { type = "http", api = "shop", path = "/orders" }

[pipelines.shop.items]
tags = ["hourly"]
source = { type = "http", api = "shop", path = "/items" }

[pipelines.sales.people]
source = { type = "postgres", connection = "crm", table = "people" }
"""


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bronze back", ["backfill"]),
        ("bronze run sh", ["shop.items", "shop.orders"]),
        ("bronze run --date 2025-01-15 sa", ["sales.people"]),
        ("bronze batch shop.orders sa", ["sales.people"]),
        ("bronze batch --tag ", ["hourly", "large"]),
        *(
            (f"bronze {command} s", ["sales.people", "shop.items", "shop.orders"])
            for command in ("show", "verify", "diff", "check", "gc", "inspect", "state show")
        ),
        ("bronze inspect /x --api ", ["shop"]),
        ("bronze inspect t --connection ", ["crm"]),
        ("bronze discover ", ["crm"]),
        ("bronze test-connection ", ["crm", "lake", "shop"]),
        ("bronze run --config none.toml ", []),
    ],
)
def test_names_of_the_configuration_are_offered(
    line: str,
    offered: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pipelines.toml").write_text(PIPELINES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_BRONZE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    with pytest.raises(SystemExit) as ended:
        app([], prog_name="bronze")
    assert ended.value.code == 0
    told = capsys.readouterr()
    assert (told.out.split(), told.err) == (offered, "")

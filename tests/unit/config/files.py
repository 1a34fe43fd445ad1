"""A small pipelines.toml that tests change one thing of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bronze_engine.config.load import Config, load_config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import HttpSourceConfig

API = """
[apis.shop]
base_url = "https://shop.example/v1"
"""

ORDERS = """
[pipelines.myteam.orders]
[pipelines.myteam.orders.source]
type = "http"
api = "shop"
path = "/orders"
"""


def load(
    folder: Path,
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
) -> Config:
    path = folder / "pipelines.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ=environ or {}, overrides=overrides)


def pipeline_table(table: str, body: str) -> str:
    return f"{API}{ORDERS}[pipelines.myteam.orders.{table}]\n{body}\n"


def http_of(pipeline: Pipeline) -> HttpSourceConfig:
    """The source of a pipeline that reads an API."""
    assert isinstance(pipeline.source, HttpSourceConfig)
    return pipeline.source

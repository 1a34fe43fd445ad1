"""An API that tests ask, as pipelines.toml names it."""

from __future__ import annotations

from typing import Any

from bronze_engine.config.api import Api


def api(**fields: Any) -> Api:
    return Api(**{"name": "shop", "base_url": "https://api.example.com/v1", **fields})

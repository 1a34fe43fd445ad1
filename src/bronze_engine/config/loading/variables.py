"""Variables of the environment that are settings by themselves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final

from bronze_engine.config.api import RateLimit
from bronze_engine.config.loading.fault import Fault
from bronze_engine.model.nearest import nearest

__all__ = ["LOG_LEVELS", "default_rate", "log_level"]

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


def log_level(variables: Mapping[str, str], faults: list[Fault]) -> str:
    """BRONZE_LOG_LEVEL, one of LOG_LEVELS; INFO where it is unset."""
    level = (variables.get("BRONZE_LOG_LEVEL") or "INFO").strip().upper()
    level = "WARNING" if level == "WARN" else level
    if level not in LOG_LEVELS:
        told = f"{json.dumps(level)} is no level; {nearest(level, LOG_LEVELS)}"
        faults.append(Fault(("BRONZE_LOG_LEVEL",), told))
    return level


def default_rate(variables: Mapping[str, str], faults: list[Fault]) -> RateLimit | None:
    """BRONZE_API_RPS: the rate of APIs that have none of their own."""
    text = variables.get("BRONZE_API_RPS")
    if not text:
        return None
    try:
        rps = float(text)
    except ValueError:
        rps = math.nan
    if not 0 < rps < math.inf:
        message = f"expected requests a second, a number above 0, got {json.dumps(text)}"
        faults.append(Fault(("BRONZE_API_RPS",), message))
        return None
    return RateLimit(rps=rps)

"""Every scenario by its name, in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.harness.scenario import Scenario
from benchmarks.scenarios import (
    batch,
    end_to_end,
    files,
    memory,
    paged_api,
    postgres,
    silver_merge,
    upload,
)
from benchmarks.studies import (
    adaptive,
    batch_memory,
    batch_scheduler,
    concurrency,
    copy_binary,
    guard,
    quality,
    tune,
)

__all__ = ["RIVALLED", "SCENARIOS"]

RIVALLED: Final = (paged_api, postgres, files, upload, batch, end_to_end)
"""Those in which others do the same work."""

SCENARIOS: Final[Mapping[str, Scenario]] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (
        *RIVALLED,
        silver_merge,
        memory,
        batch_memory,
        batch_scheduler,
        concurrency,
        adaptive,
        tune,
        guard,
        quality,
        copy_binary,
    )
}

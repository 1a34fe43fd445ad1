"""What a well-typed [pipelines.….cdc] may still get wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bronze_engine.config.cdc import Cdc
from bronze_engine.config.loading.fault import Fault, KeyPath, dotted
from bronze_engine.config.pipeline import Pipeline

__all__ = ["cdc_faults"]


def cdc_faults(pipeline: Pipeline, path: KeyPath) -> Iterator[Fault]:
    cdc = pipeline.cdc
    if pipeline.load != "cdc":
        if cdc is not None:
            yield Fault(
                (*path, "cdc"),
                f'is for load = "cdc", and load is "{pipeline.load}"; change that, or take the'
                " table away",
            )
        return
    if cdc is None:
        yield Fault(
            (*path, "load"),
            f'"cdc" needs a table [{dotted((*path, "cdc"))}] with `operation`, the column that'
            " says what each change did",
        )
    else:
        yield from _codes(cdc, (*path, "cdc"))
    if pipeline.incremental is None:
        yield Fault(
            (*path, "load"),
            f'"cdc" needs a table [{dotted((*path, "incremental"))}]: a load without a window'
            " replaces all that earlier dates hold, and with it earlier changes",
        )
    if not pipeline.primary_key:
        yield Fault(
            (*path, "primary_key"), 'is missing: with load = "cdc" it says what a change is of'
        )
    if pipeline.quality.duplicates != "keep":
        yield Fault(
            (*path, "quality", "duplicates"),
            f'is "{pipeline.quality.duplicates}", and changes of one key are no duplicates; take'
            " it away",
        )


def _codes(cdc: Cdc, path: KeyPath) -> Iterator[Fault]:
    if not cdc.operation:
        yield Fault((*path, "operation"), "is empty; name the column that says what a change did")
    seen: dict[str, str] = {}
    for kind in ("insert", "update", "delete"):
        for code in getattr(cdc, kind):
            if code in seen:
                yield Fault(
                    (*path, kind), f"{json.dumps(code)} is a code of `{seen[code]}` already"
                )
            seen[code] = kind
    if not seen:
        yield Fault((*path, "insert"), "is empty, and so are update and delete: name the codes")
    if "" in cdc.order_by or len(set(cdc.order_by)) < len(cdc.order_by):
        yield Fault((*path, "order_by"), "holds an empty name, or one twice")

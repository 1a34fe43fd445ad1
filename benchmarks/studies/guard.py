"""What the number guard costs: the same groups decoded with it and without, in turn.

"without" answers every question of the guard with "all is well"; everything else is the same.
Kinds of data: the demo's orders (340 bytes: prices, counts, identifiers, texts); sensor readings
with 15 digits; negative amounts; identifiers in texts (UUIDs, long digits), where patterns of
the guard begin to match; and the worst case, doubles with 17 digits throughout, whose texts are
all compared. Decoding counts alone, in CPU seconds of this process per million records; the
share of a whole run is smaller. A round counts only once every group was read by the fast path.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from benchmarks.harness.scenario import Options, Scenario, Size
from benchmarks.harness.tables import tell_overhead
from bronze_engine.contracts import Request
from bronze_engine.decode import json as decoding
from bronze_engine.demo import data
from bronze_engine.model.block import Block

GROUP_ROWS = 3000
KINDS: dict[str, Callable[[random.Random, int], dict[str, object]]] = {
    "readings": lambda chance, at: {
        "id": at, "sensor": f"s{at % 97}", "x": chance.random() * 10, "y": chance.gauss(0, 1),
        "z": round(chance.random(), 6),
    },
    "negative": lambda chance, at: {
        "id": at, "account": at % 977, "amount": round(chance.uniform(-500, 500), 2),
        "balance": round(chance.uniform(-9999, 9999), 2), "text": "a transfer",
    },
    "texts": lambda chance, at: {
        "id": at, "uuid": str(uuid.UUID(int=chance.getrandbits(128))), "price": at / 100,
        "card": f"{chance.randrange(10**16):016}", "note": "e-mail, 0.12345678 and 1e-400",
    },
    "worst": lambda chance, at: {"id": at, "x": chance.random(), "y": chance.random() * 1e12},
}  # fmt: skip


RECORDS: Final[dict[Size, int]] = {"tiny": 6000, "short": 60_000, "full": 120_000}
"""Of each kind."""


def run(options: Options) -> dict[str, Any]:
    """CPU seconds a million records, of each kind and round."""
    records = RECORDS[options.size]
    result: dict[str, Any] = {}
    for kind in ("orders", *KINDS):
        groups = groups_of(kind, records)
        without, with_guard = measure(groups, options.rounds)
        million = 1e6 / records
        result[kind] = {
            "without": [value * million for value in without],
            "with": [value * million for value in with_guard],
        }
    return {"kinds": result}


SCENARIO: Final = Scenario("guard", "What the number guard costs", run, tell_overhead)


def groups_of(kind: str, records: int) -> list[Block]:
    """The records as groups of about a megabyte."""
    if kind == "orders":
        table = data.orders(records, 1)
        array = b"".join(table.array(0, records))
        lines = msgspec.json.decode(array, type=list[msgspec.Raw])
    else:
        chance = random.Random(1)  # noqa: S311  # the same data each time
        lines = [msgspec.Raw(msgspec.json.encode(KINDS[kind](chance, at))) for at in range(records)]
    return [
        Block(
            data=b"\n".join([*lines[start : start + GROUP_ROWS], b""]),
            records=len(lines[start : start + GROUP_ROWS]),
            page=start // GROUP_ROWS + 1,
        )
        for start in range(0, records, GROUP_ROWS)
    ]


def measure(groups: list[Block], rounds: int) -> tuple[list[float], list[float]]:
    """CPU seconds of each round, without the guard and with it, in turn."""
    decoder = decoding.JsonDecoder(
        Request(
            pipeline="bench.guard", system="bench", entity="guard", run_date=date(2025, 1, 15),
            run="r", load="full", started_at=datetime(2025, 1, 15, tzinfo=UTC),
        )
    )  # fmt: skip
    layout = decoder.decode(groups[:1], None).layout.settled()

    def decode() -> float:
        began = time.process_time()
        for group in groups:
            decoded = decoder.decode([group], layout)
            assert decoded.layout is layout
            assert decoded.batch.num_rows == group.records
        return time.process_time() - began

    decode()  # what is made once is made before
    without: list[float] = []
    with_guard: list[float] = []
    for _ in range(rounds):
        with unguarded():
            without.append(decode())
        with_guard.append(decode())
    return without, with_guard


@contextmanager
def unguarded() -> Iterator[None]:
    guard = vars(decoding)["keeps_numbers"]
    vars(decoding)["keeps_numbers"] = lambda *_: True
    try:
        yield
    finally:
        vars(decoding)["keeps_numbers"] = guard

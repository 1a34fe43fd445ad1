"""What the number guard costs: the same groups decoded with it and without, in turn.

    python -m benchmarks.guard                   five rounds of each kind of data

"without" answers every question of the guard with "all is well"; everything else is the same.
Kinds of data: the demo's orders (340 bytes: prices, counts, identifiers, texts); sensor readings
with 15 digits; negative amounts; identifiers in texts (UUIDs, long digits), where patterns of
the guard begin to match; and the worst case, doubles with 17 digits throughout, whose texts are
all compared. Decoding counts alone, in CPU seconds of this process per million records; the
share of a whole run is smaller. A round counts only once every group was read by the fast path.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

if not __package__:  # run as a file, whose folder would hide the standard library's http
    sys.path[0] = str(Path(__file__).parents[1])

import msgspec

from benchmarks.runner import Spread, spread
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.guard", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=120_000, help="of each kind")
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    options = parser.parse_args()
    result: dict[str, dict[str, list[float]]] = {}
    print("| data | CPU-s per million without | with | more, % |\n|---|---|---|---|")
    for kind in ("orders", *KINDS):
        groups = groups_of(kind, options.records)
        without, with_guard = measure(groups, options.rounds)
        more = spread([(b / a - 1) * 100 for a, b in zip(without, with_guard, strict=True)])
        per_million = 1e6 / options.records
        print(
            f"| {kind} | {scaled(without, per_million)} | {scaled(with_guard, per_million)}"
            f" | {more} |",
            flush=True,
        )
        result[kind] = {"without": without, "with": with_guard}
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def scaled(values: list[float], factor: float) -> Spread:
    return spread([value * factor for value in values])


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


if __name__ == "__main__":
    main()

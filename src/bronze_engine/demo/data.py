"""What the demo serves: records that are the same for the same number and seed.

All records are rendered once, into one buffer. A page is then a slice of that buffer, so
that a benchmark measures its client and not this server.
"""

from __future__ import annotations

import random
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from typing import Final, final

__all__ = ["Table", "customers", "orders"]

_EPOCH: Final = date(2023, 12, 1)
_FIRST_UPDATE: Final = 31 * 86_400  # seconds since _EPOCH: 2024-01-01
_SPAN_SECONDS: Final = 31_000_000  # the updates of a table of any size lie within a year
_DAYS: Final = [(_EPOCH + timedelta(days=n)).isoformat() for n in range(400)]
_STATUSES: Final = ("placed", "paid", "packed", "shipped", "delivered", "returned", "cancelled")
_CURRENCIES: Final = ("EUR", "USD", "GBP", "CHF", "SEK", "PLN", "JPY", "BRL")
_TAGS: Final = (
    "[]",
    '["gift"]',
    '["express"]',
    '["gift","express"]',
    '["fragile","insured"]',
    '["b2b","invoice","net30"]',
    '["first-order"]',
    '["export","customs-cleared"]',
)
_NOTES: Final = (
    "null",
    '"Leave with the neighbour if nobody answers the door"',
    '"Ring twice, the bell is tired"',
    '"Caf\\u00e9 entrance, second courtyard"',
    '"Lieferung nur vormittags, Tor steht offen bis zw\u00f6lf"',
    '"Says \\"no substitutes\\", see the order before"',
    '"Pack the glass apart from the books, please"',
    "null",
)
_STREETS: Final = (
    "Mill Lane", "Harbour Street", "Rue de la Paix", "Gartenweg", "Long Acre", "Via Roma",
    "Queen's Parade", "Station Road",
)  # fmt: skip
_PLACES: Final = (
    ("Bristol", "GB"), ("Lyon", "FR"), ("Graz", "AT"), ("K\u00f6ln", "DE"), ("Parma", "IT"),
    ("Malm\u00f6", "SE"), ("Porto", "PT"), ("Utrecht", "NL"), ("Kraków", "PL"), ("Gent", "BE"),
    ("Bilbao", "ES"), ("Aarhus", "DK"), ("Turku", "FI"), ("Cork", "IE"), ("Brno", "CZ"),
    ("Zug", "CH"),
)  # fmt: skip


@final
class Table:
    """Records as JSON, ordered by `updated_at`, any run of which is one slice."""

    def __init__(self, rows: Iterator[tuple[str, str]]) -> None:
        """`rows` are pairs of a record's JSON and its `updated_at`, which must not fall."""
        body = bytearray()
        self._ends = array("q", [0])
        self._updated: list[str] = []
        for row, updated in rows:
            body += row.encode()
            body += b","
            self._ends.append(len(body))
            self._updated.append(updated)
        self._body = memoryview(body).toreadonly()

    def __len__(self) -> int:
        return len(self._updated)

    def after(self, since: str) -> int:
        """Index of the first record with `updated_at` later than `since`."""
        return bisect_right(self._updated, since)

    def array(self, start: int, stop: int) -> tuple[bytes | memoryview, ...]:
        """Records start to stop (past the end is cut off) as the pieces of a JSON array.

        The middle one is a view: copying 300 KB costs more than everything else that a
        page needs.
        """
        stop = min(stop, len(self))
        if start >= stop:
            return (b"[]",)
        return b"[", self._body[self._ends[start] : self._ends[stop] - 1], b"]"


def orders(count: int, seed: int) -> Table:
    """`count` orders with ids from 1, about 340 bytes each."""
    return Table(_orders(count, random.Random(seed)))  # noqa: S311  # demo data


def customers(count: int, seed: int) -> Table:
    """`count` customers with ids from 1."""
    return Table(_customers(count, random.Random(seed)))  # noqa: S311  # demo data


def _orders(count: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    step = max(1, _SPAN_SECONDS // max(1, count))
    clients = max(1, count // 40)
    for number in range(1, count + 1):
        # One draw a record, cut into fields: a draw a field would double the start-up time.
        bits = chance.getrandbits(64)
        moment = _FIRST_UPDATE + number * step
        updated = _instant(moment)
        city, country = _PLACES[bits & 15]
        row = (
            f'{{"id":{number},"customer_id":{1 + (bits >> 4) % clients},'
            f'"status":"{_STATUSES[(bits >> 24) % 7]}",'
            f'"amount":{(bits >> 27) % 5000}.{(bits >> 33) % 100:02},'
            f'"currency":"{_CURRENCIES[bits >> 40 & 7]}","note":{_NOTES[bits >> 43 & 7]},'
            f'"tags":{_TAGS[bits >> 46 & 7]},'
            f'"address":{{"street":"{1 + (bits >> 49 & 127)} {_STREETS[bits >> 56 & 7]}",'
            f'"city":"{city}","postcode":"{10000 + (bits >> 13) % 89999}",'
            f'"country":"{country}"}},'
            f'"created_at":"{_instant(moment - (bits >> 30) % 2_000_000)}",'
            f'"updated_at":"{updated}"}}'
        )
        yield row, updated


def _customers(count: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    step = max(1, _SPAN_SECONDS // max(1, count))
    for number in range(1, count + 1):
        bits = chance.getrandbits(16)
        city, country = _PLACES[bits & 15]
        updated = _instant(_FIRST_UPDATE + number * step)
        row = (
            f'{{"id":{number},"name":"Customer {number}","city":"{city}","country":"{country}",'
            f'"vip":{"true" if bits >> 4 & 15 == 0 else "false"},"updated_at":"{updated}"}}'
        )
        yield row, updated


def _instant(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    return f"{_DAYS[minutes // 1440]}T{_minute(minutes % 1440)}:{second:02}Z"


@cache
def _minute(number: int) -> str:
    return f"{number // 60:02}:{number % 60:02}"

"""Every type that is proved, with its hard values: the tests and the guide's table share this."""

from __future__ import annotations

from typing import Final

from tests.integration.databases.type_cases.arrays import ARRAYS
from tests.integration.databases.type_cases.case import FUNCTIONS, How, TypeCase
from tests.integration.databases.type_cases.numbers import NUMBERS
from tests.integration.databases.type_cases.others import OTHERS
from tests.integration.databases.type_cases.texts import TEXTS
from tests.integration.databases.type_cases.times import TIMES

__all__ = ["CASES", "FUNCTIONS", "How", "TypeCase"]

CASES: Final = (*NUMBERS, *TEXTS, *TIMES, *OTHERS, *ARRAYS)

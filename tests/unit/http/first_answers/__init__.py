"""First answers of well-known APIs, shortened to what tells their kind of paging.

Shapes are those of the vendors' references; values are invented.
"""

from __future__ import annotations

from tests.unit.http.first_answers.cursors import CURSORS
from tests.unit.http.first_answers.known import Known
from tests.unit.http.first_answers.links import LINKS
from tests.unit.http.first_answers.numbers import NUMBERS

__all__ = ["ANSWERS", "Known"]

ANSWERS = [*LINKS, *CURSORS, *NUMBERS]

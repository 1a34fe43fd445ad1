"""Arrays."""

from __future__ import annotations

from typing import Final

from tests.integration.databases.type_cases.case import CELLS, MOOD, PAIR, PERCENT, TypeCase

__all__ = ["ARRAYS"]


def _array(element: str, count: str = "(random() * 4)::int") -> str:
    """A random array of the element; g ties it to its row, or it would be made once."""
    return f"ARRAY(SELECT {element} FROM generate_series(1, {count} + 0 * g))"  # noqa: S608


def _or_null(value: str) -> str:
    return f"CASE WHEN random() < 0.2 THEN NULL ELSE {value} END"


ARRAYS: Final = (
    TypeCase(
        declared="integer[]", arrow="list<item: int32>", how="binary", group="Arrays",
        values=("{}", "{NULL}", "{1,NULL,-2147483648}", "{0}"),
        special=("{{1,2},{3,4}}", "[0:1]={1,2}", "{{NULL}}"),
        random=_array(_or_null("(big() % 1000)::int")),
        note="special: more dimensions than declared, and bounds that do not begin at 1",
    ),
    TypeCase(
        declared="integer[][]", arrow="list<item: list<item: int32>>", how="binary",
        group="Arrays", values=("{}", "{{1,2},{NULL,4}}", "{{NULL}}"),
        special=("{1,2}", "{{{1}}}", "[0:0][1:1]={{5}}"),
        random="CASE WHEN random() < 0.2 THEN '{}' ELSE ARRAY[[g, NULL, (big() % 9)::int],"
        " [1, 2, 3]]::int[] END",
    ),
    TypeCase(
        declared="bigint[]", arrow="list<item: int64>", how="binary", group="Arrays",
        values=("{9223372036854775807,-9223372036854775808}",), special=("{{1}}",),
        random=_array("big()", "(random() * 30)::int"),
    ),
    TypeCase(
        declared="boolean[]", arrow="list<item: bool>", how="binary", group="Arrays",
        values=("{t,f,NULL}", "{}"), special=("{{t}}",), random=_array(_or_null("random() < 0.5")),
    ),
    TypeCase(
        declared="double precision[]", arrow="list<item: double>", how="binary",
        group="Arrays", values=("{NaN,-Infinity,-0,1e-300}",), special=("{{1e+20,0.1,1e-05}}",),
        random=_array("(random() - 0.5) * power(10, (random() * 60 - 30)::int)"),
    ),
    TypeCase(
        declared="real[]", arrow="list<item: float>", how="binary", group="Arrays",
        values=("{NaN,0.1,1e-45}",), special=("{{1e+06,123456,0.1}}",),
        random=_array("random()::real"),
    ),
    TypeCase(
        declared="numeric(10,2)[]", arrow="list<item: decimal128(10, 2)>", how="binary",
        group="Arrays", values=("{0.01,NULL,-99999999.99}", "{}"),
        special=("{1.00,NaN}", "{{1.00}}"), random=_array(_or_null("digits(10) / 100")),
        note="special: a special element",
    ),
    TypeCase(
        declared="numeric[]", arrow="list<item: string>", how="text", group="Arrays",
        values=("{1.10,NULL,NaN}", "{}"), special=("{{1.5}}",),
        random=_array("digits(40) / 1000"),
        note="each element as its text, as of any type that is read as text",
    ),
    TypeCase(
        declared="text[]", arrow="list<item: string>", how="binary", group="Arrays",
        values=('{"",NULL,"null","a,b","{x}"," ","q\\"\\\\","é"}', "{}"),
        special=('{{"a b",""},{NULL,"NULL"}}', '[5:5]={"x,y"}'), random=_array(_or_null("word()")),
    ),
    TypeCase(
        declared="text[][][]", arrow="list<item: list<item: list<item: string>>>",
        how="binary", group="Arrays", values=("{}", '{{{a,""},{NULL,b}}}'), special=("{{a}}",),
        random="ARRAY[[[word(), NULL]], [[word(), word()]]]",
    ),
    TypeCase(
        declared="date[]", arrow="list<item: date32[day]>", how="binary", group="Arrays",
        values=('{2025-01-15,"0044-03-15 BC",NULL}',),
        special=("{infinity}", "{2025-01-15,-infinity}"),
        random=_array("'2025-01-01'::date + (big() % 1000)::int"),
    ),
    TypeCase(
        declared="timestamptz[]", arrow="list<item: timestamp[us, tz=UTC]>", how="binary",
        group="Arrays", values=('{"2025-01-15 12:00:00.5+01",NULL}',),
        special=('{"2025-01-15 12:00:00+00",infinity}',),
        random=_array("'2025-06-01'::timestamptz + big() % 10000000000 * interval '1 us'"),
    ),
    TypeCase(
        declared="uuid[]", arrow="list<item: string>", how="binary", group="Arrays",
        values=("{00000000-0000-0000-0000-000000000000,NULL}",),
        special=("{{ffffffff-ffff-ffff-ffff-ffffffffffff}}",),
        random=_array("md5(random()::text)::uuid"),
    ),
    TypeCase(
        declared="bytea[]", arrow="list<item: binary>", how="binary", group="Arrays",
        values=('{"\\\\x","\\\\x00ff",NULL}',), special=('{{"\\\\x00"}}',),
        random=_array("decode(md5(random()::text), 'hex')"),
    ),
    TypeCase(
        declared="jsonb[]", arrow="list<item: string>", how="binary", group="Arrays",
        values=('{"{\\"a\\": [1, 2]}","null",NULL}',), special=('{{"{}"}}',),
        random=_array("jsonb_build_object('k', word())"),
    ),
    TypeCase(
        declared="mood[]", arrow="list<item: string>", how="binary", group="Arrays",
        setup=MOOD, values=('{sad,"very happy",NULL}',), special=("{{ok}}",),
        random=_array("'ok'::mood"), note="enums",
    ),
    TypeCase(
        declared="share[]", arrow="list<item: decimal128(5, 2)>", how="binary",
        group="Arrays", setup=PERCENT, values=("{1.00,NULL}",), special=("{NaN}",),
        random=_array("digits(5) / 100"), note="domains",
    ),
    TypeCase(
        declared="cells", arrow="list<item: int32>", how="binary", group="Arrays", setup=CELLS,
        values=("{1,NULL}", "{}"), special=("{{1}}",), random=_array("(big() % 1000)::int"),
        note="a domain over `integer[]`",
    ),
    TypeCase(
        declared="cells[]", arrow="list<item: string>", how="text", group="Arrays", setup=CELLS,
        values=('{"{1,NULL}","{}",NULL}', "{}"), special=('{{"{1}"}}',),
        random=_array("ARRAY[(big() % 1000)::int, NULL]::cells"),
        note="an array of such domains: each as its text",
    ),
    TypeCase(
        declared="interval[]", arrow="list<item: string>", how="text", group="Arrays",
        values=('{"1 mon -1 days",00:00:01.5,NULL}',), special=("{{00:00:00}}",),
        random=_array("make_interval(days => (big() % 400)::int)"),
    ),
    TypeCase(
        declared="pair[]", arrow="list<item: string>", how="text", group="Arrays", setup=PAIR,
        values=('{"(1,\\"a b\\")",NULL}',), special=('{{"(1,)"}}',),
        random=_array("ROW((big() % 100)::int, word())::pair"),
    ),
    TypeCase(
        declared="inet[]", arrow="string", how="text", group="Arrays",
        values=("{1.2.3.4,10.0.0.0/8,NULL}", "{}", "{{::1}}", "[0:0]={::1}"),
        random=_array("'10.0.0.0'::inet + abs(big() % 16777216)"),
        note="as a whole: a cast of its elements would add their netmasks",
    ),
)  # fmt: skip

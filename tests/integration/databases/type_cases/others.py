"""Addresses, ranges, shapes, composites: what lands as its text."""

from __future__ import annotations

from typing import Final

from tests.integration.databases.type_cases.case import PAIR, TypeCase

__all__ = ["OTHERS"]

REST: Final = "Addresses, ranges, shapes and the rest"

OTHERS: Final = (
    TypeCase(
        declared="inet", arrow="string", how="text", group=REST,
        values=("1.2.3.4", "10.0.0.0/8", "::1", "2001:db8::/32", "1.2.3.4/0"),
        random="'10.0.0.0'::inet + abs(big() % 16777216)",
    ),
    TypeCase(
        declared="cidr", arrow="string", how="text", group=REST,
        values=("10.0.0.0/8", "::/0", "1.2.3.4/32"),
        random="network(set_masklen('10.0.0.0'::inet + abs(big() % 16777216), 24))::cidr",
    ),
    TypeCase(
        declared="macaddr", arrow="string", how="text",
        group=REST,
        values=("08:00:2b:01:02:03",), random="substr(md5(random()::text), 1, 12)::macaddr",
    ),
    TypeCase(
        declared="macaddr8", arrow="string", how="text",
        group=REST,
        values=("08:00:2b:01:02:03:04:05",), random="substr(md5(random()::text), 1, 16)::macaddr8",
    ),
    TypeCase(
        declared="int4range", arrow="string", how="text",
        group=REST,
        values=("empty", "[1,5)", "(,)", "[3,)"),
        random="int4range((big() % 1000)::int - 1000, (big() % 1000)::int + 1000)",
        note="any range",
    ),
    TypeCase(
        declared="tstzrange", arrow="string", how="text",
        group=REST,
        values=("empty", '["2025-01-01 00:00:00+01","2025-01-02 00:00:00.5+01")', "[,infinity]"),
        random="tstzrange('2025-01-01', '2025-01-01'::timestamptz + abs(big() % 100000000)"
        " * interval '1 us', '[]')",
    ),
    TypeCase(
        declared="nummultirange", arrow="string", how="text", since=14,
        group=REST,
        values=("{}", "{[1.50,2),(3,)}"),
        random="nummultirange(numrange(0, abs(digits(20))), numrange(-9, -1))",
        note="any multirange",
    ),
    TypeCase(
        declared="pair", arrow="string", how="text", setup=PAIR,
        group=REST,
        values=("(,)", '(1,"")', '(-1,"a ""b"", (c)\\\\")'),
        random="ROW((big() % 100)::int, word())::pair",
        note="any composite type",
    ),
    TypeCase(
        declared="tsvector", arrow="string", how="text",
        group=REST,
        values=("", "'a':1A 'b c':2,3B"), random="to_tsvector('simple', word() || ' ' || word())",
    ),
    TypeCase(
        declared="tsquery", arrow="string", how="text",
        group=REST,
        values=("'a' & !'b'", "'a' <2> 'b':*A"),
        random="plainto_tsquery('simple', word() || ' b c')",
    ),
    TypeCase(
        declared="hstore", arrow="string", how="text",
        setup="CREATE EXTENSION hstore;", needs="hstore",
        group=REST,
        values=("", '"a"=>"1", "b"=>NULL, "c d"=>"\\""'), random="hstore('k' || g, word())",
    ),
    *(
        TypeCase(
            declared=kind, arrow="string", how="text",
            group=REST, values=values, random=random,
        )
        for kind, values, random in (
            ("point", ("(0.1,-1e+300)", "(NaN,Infinity)"), "point(random(), big())"),
            ("line", ("{1,-1,0.5}",), "line(point(random(), 1), point(3, random() + 2))"),
            ("lseg", ("[(0,0),(1,0.1)]",), "lseg(point(random(), 1), point(3, random()))"),
            ("box", ("(1,1),(0,0)",), "box(point(random(), 1), point(3, random()))"),
            ("path", ("((0,0),(1,1))", "[(0,0),(1,0.1)]"),
             "path(polygon(box(point(random(), 1), point(3, random()))))"),
            ("polygon", ("((0,0),(1,1),(2,0))",), "polygon(box(point(random(), 1), point(3, 4)))"),
            ("circle", ("<(0.1,0),2>",), "circle(point(random(), 1), random())"),
            ("pg_lsn", ("0/0", "FFFFFFFF/FFFFFFFF"), "'0/0'::pg_lsn + abs(big() % 1000000)"),
            ("jsonpath", ('$."a"[*]?(@ > 1)',), "'$.a'::jsonpath"),
            ("regclass", ("pg_class", "pg_toast.pg_toast_1255"), "'pg_type'::regclass"),
            ("tid", ("(0,1)", "(4294967295,65535)"), "format('(%s,%s)', g, g % 100)::tid"),
            ("int2vector", ("", "1 2 -3"), "'1 2 3'::int2vector"),
        )
    ),
)  # fmt: skip

"""Every type that is proved, with its hard values: the tests and the guide's table share this.

A case is one column of one type. `values` are literals that a server must give back as they
are; `special` those that the column's Arrow type has no room for; `random` makes one more
value, in SQL.
"""

from __future__ import annotations

from typing import Final, Literal, final

import msgspec

__all__ = ["CASES", "FUNCTIONS", "How", "TypeCase"]

How = Literal["binary", "text"]
"""Read from its binary form, or asked for as the text that the server prints."""

FUNCTIONS: Final = """
CREATE FUNCTION big() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT ('x' || substr(md5(random()::text), 1, 16))::bit(64)::bigint $$;
CREATE FUNCTION word() RETURNS text LANGUAGE sql VOLATILE AS
    $$ SELECT (ARRAY['', 'é', '漢字😀', E'\\n', E'\\t\\\\', '"', 'NULL', '{', ' ', ',', '''',
        E'\\r'])[1 + floor(random() * 12)::int] || substr(md5(random()::text), 1,
        (random() * 12)::int) $$;
CREATE FUNCTION digits(n int) RETURNS numeric LANGUAGE sql VOLATILE AS
    $$ SELECT (CASE WHEN random() < 0.5 THEN -1 ELSE 1 END) * right(
        replace(abs(big()::numeric)::text || abs(big()::numeric)::text || abs(big()::numeric)::text
            || abs(big()::numeric)::text || abs(big()::numeric)::text, '-', ''),
        1 + (random() * (n - 1))::int)::numeric $$;
"""
"""What `random` may call: a bigint, a short text full of traps, a whole number of up to n
digits."""


@final
class TypeCase(msgspec.Struct, frozen=True, kw_only=True):
    """One type of a column, and what is known of it."""

    declared: str
    """As CREATE TABLE has it."""
    arrow: str
    how: How
    values: tuple[str, ...]
    random: str
    """SQL over g, the number of the row."""
    special: tuple[str, ...] = ()
    group: str
    setup: str = ""
    """What must be there first."""
    needs: str = ""
    """An extension, or "libxml", that not every build of PostgreSQL has."""
    since: int = 0
    """The first version of PostgreSQL that has it."""
    note: str = ""

    @property
    def name(self) -> str:
        return self.declared


REST: Final = "Addresses, ranges, shapes and the rest"
MOOD: Final = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy', 'über');"
PERCENT: Final = "CREATE DOMAIN percent AS numeric(5,2); CREATE DOMAIN share AS percent;"
PAIR: Final = 'CREATE TYPE pair AS (a int, "B c" text);'


def _array(element: str, count: str = "(random() * 4)::int") -> str:
    """A random array of the element; g ties it to its row, or it would be made once."""
    return f"ARRAY(SELECT {element} FROM generate_series(1, {count} + 0 * g))"  # noqa: S608


def _or_null(value: str) -> str:
    return f"CASE WHEN random() < 0.2 THEN NULL ELSE {value} END"


def _spread(kind: str) -> str:
    """An instant anywhere between 4000 BC and the year 280000, often of today."""
    return (
        f"CASE WHEN random() < 0.5 THEN '2025-06-01'::{kind} + big() % 10000000000 *"
        f" interval '1 us' ELSE '4000-01-01 BC'::{kind} + random() * 280000 *"
        f" interval '365 days' + big() % 1000000 * interval '1 us' END"
    )


NUMBERS: Final = (
    TypeCase(
        declared="smallint", arrow="int16", how="binary", group="Numbers",
        values=("0", "-32768", "32767"), random="(big() % 32768)::smallint",
    ),
    TypeCase(
        declared="integer", arrow="int32", how="binary", group="Numbers",
        values=("0", "-2147483648", "2147483647"), random="(big() % 2147483648)::int",
    ),
    TypeCase(
        declared="bigint", arrow="int64", how="binary", group="Numbers",
        values=("-1", "-9223372036854775808", "9223372036854775807", "9007199254740993"),
        random="big()",
    ),
    TypeCase(
        declared="real", arrow="float", how="binary", group="Numbers",
        values=("NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1", "1e6"),
        random="(random() * power(10, (random() * 70 - 36)::int))::real",
    ),
    TypeCase(
        declared="double precision", arrow="double", how="binary", group="Numbers",
        values=("NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308", "0.1",
                "1e15", "123456789012345680"),
        random="(random() - 0.5) * power(10, (random() * 600 - 300)::int)",
    ),
    TypeCase(
        declared="numeric(18,4)", arrow="decimal128(18, 4)", how="binary", group="Numbers",
        values=("0", "0.0001", "-99999999999999.9999", "10000", "1234.5", "-0.5", "9999.9999"),
        special=("NaN",), random="digits(18) / 10000",
    ),
    TypeCase(
        declared="numeric(38,10)", arrow="decimal128(38, 10)", how="binary", group="Numbers",
        values=("9999999999999999999999999999.9999999999", "-0.0000000001", "1e27", "10000"),
        special=("NaN",), random="digits(38) / 10000000000",
    ),
    TypeCase(
        declared="numeric(76,30)", arrow="decimal256(76, 30)", how="binary", group="Numbers",
        values=("-" + "9" * 46 + "." + "9" * 30, "1e-30", "1e45", "0"),
        special=("NaN",), random="digits(76) / 1000000000000000000000000000000",
    ),
    TypeCase(
        declared="numeric(5,-3)", arrow="decimal128(8, 0)", how="binary", group="Numbers",
        values=("99999000", "-1000", "0"), special=("NaN",), since=15,
        random="round((random() - 0.5) * 99998) * 1000",
        note="rounds to thousands: a scale below 0",
    ),
    TypeCase(
        declared="numeric(2,5)", arrow="decimal128(5, 5)", how="binary", group="Numbers",
        values=("0.00099", "-0.00001", "0"), special=("NaN",), random="digits(2) / 100000",
        since=15, note="a scale above the precision",
    ),
    TypeCase(
        declared="numeric(100,50)", arrow="string", how="text", group="Numbers",
        values=("9" * 50 + "." + "9" * 50, "-0." + "0" * 49 + "1", "NaN"),
        random="digits(90) / power(10::numeric, 42)",
        note="no Arrow decimal has more than 76 digits",
    ),
    TypeCase(
        declared="numeric", arrow="string", how="text", group="Numbers",
        values=("1" + "0" * 200, "0." + "0" * 100 + "1", "1.10", "1.1", "NaN", "0.00"),
        random="digits(60) / power(10::numeric, (random() * 50)::int)",
        note='`schema.columns` makes it a decimal: `amount = "decimal(38,9)"`',
    ),
    TypeCase(
        declared="money", arrow="string", how="text", group="Numbers",
        values=("$1,234.56", "-92233720368547758.08", "92233720368547758.07"),
        random="(big() % 100000000000)::numeric::money",
    ),
    TypeCase(
        declared="oid", arrow="int64", how="binary", group="Numbers",
        values=("0", "2147483648", "4294967295"),
        random="(abs(big() % 4294967296))::oid", note="xid and cid too",
    ),
    TypeCase(
        declared="xid", arrow="int64", how="binary", group="Numbers",
        values=("3", "4294967295"), random="(abs(big() % 4294967296))::text::xid",
    ),
    TypeCase(
        declared="xid8", arrow="uint64", how="binary", group="Numbers", since=13,
        values=("0", "9223372036854775808", "18446744073709551615"),
        random="(abs(big()::numeric) * 2)::text::xid8",
    ),
)  # fmt: skip

TEXTS: Final = (
    TypeCase(
        declared="boolean", arrow="bool", how="binary", group="Text and the like",
        values=("t", "f"), random="random() < 0.5",
    ),
    TypeCase(
        declared="text", arrow="string", how="binary", group="Text and the like",
        values=("", "NULL", "\\N", "a\nb\r\tc", "漢字 😀 é", "\x01\x7f", "0" * 5000, "ﬀ\u2028"),
        random="word()", note="empty is not NULL",
    ),
    TypeCase(
        declared="varchar(20)", arrow="string", how="binary", group="Text and the like",
        values=("", " padded ", "é" * 20), random="word()",
    ),
    TypeCase(
        declared="char(5)", arrow="string", how="binary", group="Text and the like",
        values=("", "ab", "é", "12345"), random="left(word(), 5)",
        note="padded with spaces, as it is stored",
    ),
    TypeCase(
        declared="name", arrow="string", how="binary", group="Text and the like",
        values=("", "a name", "é" * 20), random="word()",
    ),
    TypeCase(
        declared='"char"', arrow="string", how="text", group="Text and the like",
        values=("", "a", "~"), random='chr(32 + (random() * 94)::int)::"char"',
    ),
    TypeCase(
        declared="citext", arrow="string", how="text", group="Text and the like",
        setup="CREATE EXTENSION citext;", needs="citext", values=("", "MiXed"), random="word()",
        note="as any type of an extension",
    ),
    TypeCase(
        declared="bytea", arrow="binary", how="binary", group="Text and the like",
        values=("\\x", "\\x00", "\\xff00ff", "\\x5c78", "\\x0001000000040000000100010000000400"),
        random="decode(repeat(md5(random()::text), (random() * 3)::int), 'hex')",
    ),
    TypeCase(
        declared="uuid", arrow="string", how="binary", group="Text and the like",
        values=("00000000-0000-0000-0000-000000000000", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff"),
        random="md5(random()::text)::uuid",
    ),
    TypeCase(
        declared="json", arrow="string", how="binary", group="Text and the like",
        values=('{"b": 1,\n "a":  1.10, "b": 2}', "null", '"\\u00e9"', "[]", "1234567890123456789"),
        random="json_build_object('k', word(), 'n', big())",
        note="byte for byte, with its white space and repeated keys",
    ),
    TypeCase(
        declared="jsonb", arrow="string", how="binary", group="Text and the like",
        values=('{"b": 1, "a": 1.10}', "null", '"é"', "[]", "1e400", '{"": [[], {}]}'),
        random="jsonb_build_object('k', word(), 'n', big() / 1000.0)",
        note="as the server prints it",
    ),
    TypeCase(
        declared="xml", arrow="string", how="text", group="Text and the like", needs="libxml",
        values=('<a b="c">é</a>', "text", "<a/><b/>"), random="xmlelement(name a, word())",
    ),
    TypeCase(
        declared="mood", arrow="string", how="binary", group="Text and the like", setup=MOOD,
        values=("sad", "very happy", "über"),
        random="(ARRAY['sad', 'ok', 'very happy', 'über'])[1 + (g % 4)]::mood",
        note="any enum: the label",
    ),
    TypeCase(
        declared="share", arrow="decimal128(5, 2)", how="binary", group="Text and the like",
        setup=PERCENT, values=("0", "-999.99"), special=("NaN",), random="digits(5) / 100",
        note="any domain: as what it is over, here `numeric(5,2)` two domains down",
    ),
    TypeCase(
        declared="bit(5)", arrow="string", how="text", group="Text and the like",
        values=("00000", "10101"), random="(big() % 32)::int::bit(5)",
    ),
    TypeCase(
        declared="bit varying", arrow="string", how="text", group="Text and the like",
        values=("", "1", "0" * 70), random="big()::bit(64)",
    ),
)  # fmt: skip

TIMES: Final = (
    TypeCase(
        declared="date", arrow="date32[day]", how="binary", group="Dates and times",
        values=("2000-01-01", "1970-01-01", "1969-12-31", "0044-03-15 BC", "4713-01-01 BC",
                "0001-01-01", "0001-12-31 BC", "5874897-12-31", "2024-02-29"),
        special=("infinity", "-infinity"),
        random="'2000-01-01'::date + abs(big() % 2145000000)::int * (random() < 0.5)::int"
        " - abs(big() % 2400000)::int",
    ),
    TypeCase(
        declared="time", arrow="time64[us]", how="binary", group="Dates and times",
        values=("00:00:00", "23:59:59.999999", "12:34:56.7"), special=("24:00:00",),
        random="'00:00'::time + abs(big() % 86400000000) * interval '1 us'",
    ),
    TypeCase(
        declared="timetz", arrow="string", how="text", group="Dates and times",
        values=("00:00:00+00", "24:00:00-08", "12:34:56.789012+05:45", "23:59:59+15:59:59"),
        random="('00:00'::time + abs(big() % 86400000000) * interval '1 us')::text::timetz"
        " AT TIME ZONE make_interval(mins => (big() % 900)::int)",
    ),
    TypeCase(
        declared="timestamp", arrow="timestamp[us]", how="binary", group="Dates and times",
        values=("2000-01-01", "1999-12-31 23:59:59.999999", "4713-01-01 BC", "0001-01-01",
                "9999-12-31 23:59:59.999999", "294246-12-31 23:59:59.999999",
                "294247-01-10 04:00:54.775807"),
        special=("infinity", "-infinity", "294247-01-10 04:00:54.775808",
                 "294276-12-31 23:59:59.999999"),
        random=_spread("timestamp"),
    ),
    TypeCase(
        declared="timestamp(3)", arrow="timestamp[us]", how="binary", group="Dates and times",
        values=("2025-01-15 12:00:00.123", "0001-01-01 BC"), special=("infinity",),
        random=_spread("timestamp"),
    ),
    TypeCase(
        declared="timestamptz", arrow="timestamp[us, tz=UTC]", how="binary",
        group="Dates and times",
        values=("2025-03-30 01:30:00+01", "2025-03-30 03:30:00.000001+02", "4713-01-02 BC",
                "1883-11-18 12:03:57-07:52:58", "294246-12-31 23:59:59.999999+00"),
        special=("infinity", "-infinity", "294276-12-31 23:59:59.999999+00"),
        random=_spread("timestamptz"), note="the instant, in UTC",
    ),
    TypeCase(
        declared="interval", arrow="string", how="text", group="Dates and times",
        values=("0", "1 year -2 mons +3 days -04:05:06.000007", "-178000000 years",
                "1000000:00:00", "1 mon -1 day"),
        random="make_interval(years => (big() % 100)::int, days => (big() % 400)::int,"
        " secs => (big() % 1000000) / 1000.0)",
    ),
)  # fmt: skip

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

CASES: Final = (*NUMBERS, *TEXTS, *TIMES, *OTHERS, *ARRAYS)

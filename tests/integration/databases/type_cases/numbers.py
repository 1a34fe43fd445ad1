"""Numbers."""

from __future__ import annotations

from typing import Final

from tests.integration.databases.type_cases.case import TypeCase

__all__ = ["NUMBERS"]

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

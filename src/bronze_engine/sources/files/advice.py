"""What to do about JSON that does not land: of files other things than of the answers of APIs."""

from __future__ import annotations

from typing import Final

__all__ = ["of_files"]

_OTHERWISE: Final = (
    ('; set null_records = "empty" if that means none', "; write [] where there are none"),
    ('; if that means no records, set null_records = "empty"', ""),
    ('; absent_records = "empty" takes that for no records', ""),
    (", or single_record = true if the object is the one record", ""),
    ("; the server says: ", "; it says: "),
    (
        '; record_kind = "value" or "array" lands those',
        "; write an object a record, or set source.records to the list of objects",
    ),
    ("; check `path` and `records`", "; check source.records, or write it flatter"),
    ("; check `path` and the Accept header", "; fetch it again"),
    ("; check `base_url` and `path`", "; fetch it again"),
    (
        " ask the API for JSON or CSV by an Accept header ([apis.NAME.headers]) or a parameter, or",
        "",
    ),
)


def of_files(message: str) -> str:
    """The message of the code that reads answers of APIs too, with the options of files."""
    for said, meant in _OTHERWISE:
        message = message.replace(said, meant)
    return message

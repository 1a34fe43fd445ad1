"""The tables of an HTTP source: paging, records, formats, exports."""

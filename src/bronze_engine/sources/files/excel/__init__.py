"""Workbooks: sheets as lines of JSON, by python-calamine (Rust), the extra bronze-engine[excel]."""

"""Conditions over columns: which rows are as they should be, NULL where nobody can say."""

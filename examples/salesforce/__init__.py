"""Salesforce-like: OAuth 2, queries by a relative next URL, bulk exports as CSV."""

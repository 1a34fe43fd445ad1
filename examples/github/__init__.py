"""GitHub: pages by Link header, a bearer token, X-RateLimit headers, secondary limits."""

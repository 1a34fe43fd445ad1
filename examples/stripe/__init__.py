"""Stripe: pages by the last id, a secret key, and a limit without Retry-After."""

"""Pagers: pure state machines that say how one page leads to the next."""

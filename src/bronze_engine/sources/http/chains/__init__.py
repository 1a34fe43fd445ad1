"""Chains: sequences of pages that are read side by side and handed on in the order of the plan."""

"""Frozen values that cross stages. They hold no behaviour beyond what their own fields decide."""

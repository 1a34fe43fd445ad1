"""The commit protocol: how a partition becomes visible, exactly once."""

"""What the engine tells of itself: events for hooks, log lines for people, counts for reports."""

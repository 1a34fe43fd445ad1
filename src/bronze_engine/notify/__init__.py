"""What is said of how runs ended, and to whom: webhooks and commands."""

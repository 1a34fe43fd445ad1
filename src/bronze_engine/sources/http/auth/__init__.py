"""How requests prove who they are; a credential never leaves its origin."""

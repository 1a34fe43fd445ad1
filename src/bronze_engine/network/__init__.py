"""What every client of the network needs: a session, which proxy, whose certificates."""

"""What every client of the network needs: which proxy, whose certificates."""

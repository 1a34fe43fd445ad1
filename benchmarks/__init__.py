"""Speed and memory against rivals. Results are checked before they count."""

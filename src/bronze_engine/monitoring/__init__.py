"""What the configuration asks to be told of runs: metrics, traces, notifications."""

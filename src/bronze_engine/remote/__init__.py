"""A batch whose runs are landed by processes on other machines."""

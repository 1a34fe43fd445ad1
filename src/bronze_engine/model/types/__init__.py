"""Types of columns, and values of one type as another: each as it was, or not at all."""

"""What is asked of pipelines beside their runs, and set right: see `Engine`."""

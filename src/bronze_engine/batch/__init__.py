"""Many runs in one process: of pipelines and dates, or of the dates that one pipeline lacks."""

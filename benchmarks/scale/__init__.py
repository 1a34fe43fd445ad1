"""Ten thousand pipelines on a hundred workers, in virtual time: see `benchmarks.scale.__main__`."""

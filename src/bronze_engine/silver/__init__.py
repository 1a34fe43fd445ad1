"""The curated layer: one table of each pipeline, computed from what its manifests list.

    steps: inputs      which generations of Bronze
        -> intake      their records, and what is kept out of them
        -> fold        what stands for a key
        -> merge       what of the table changes
        -> landing     rows to files, as a run of Bronze's
        -> publishing  the commit

`columns` says what a table has, `database` is DuckDB. Each package imports those to the left of it
and these two, and nothing to its right.
"""

"""Frozen values that cross stages, and what several stages must read of them alike.

    slice, block, line, page, part         what flows, from the source to the store
    layout, arrow, path, types             columns, their names and their types
    window, day, override, neighbours      which rows a date has
    manifest, checkpoint, landed_file      what is committed, or may be resumed
    report, profile, status, garbage       what is told of runs and of what stands

Nothing here does I/O.
"""

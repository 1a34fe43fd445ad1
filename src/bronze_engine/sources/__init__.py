"""Where rows come from. Each kind of source is a package of its own."""

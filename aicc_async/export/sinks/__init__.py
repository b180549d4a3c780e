"""Where rows go: files in several formats, and tables."""

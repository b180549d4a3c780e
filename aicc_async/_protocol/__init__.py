"""Requests and answers as values: no I/O."""

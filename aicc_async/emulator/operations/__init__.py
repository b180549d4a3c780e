"""The operations of Case 2.0, without HTTP: the bytes of a request in, an answer out."""

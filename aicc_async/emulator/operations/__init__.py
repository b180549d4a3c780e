"""The operations of Case 2.0: bytes in, an answer out."""

"""Sending: the session, its tokens, and when a request goes out again."""

"""Answers, routes and tokens of the tenant."""

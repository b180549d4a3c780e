"""Invented cases, the shapes in which they are answered, and the database that keeps them."""

"""Changes of cases as events."""

"""Many creates from a file."""

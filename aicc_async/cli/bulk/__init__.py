"""Many creates from a file: its rows, their records, the run, and the command's part of it."""

"""Creates that happen once."""

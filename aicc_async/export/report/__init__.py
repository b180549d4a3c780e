"""The report: a manifest as one HTML page."""

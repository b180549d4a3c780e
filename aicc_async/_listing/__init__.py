"""Listings: windows of time, pages of windows, and what is fetched ahead. No HTTP."""

"""Existing engines that the client can work with, each an extra; the core imports none of them."""

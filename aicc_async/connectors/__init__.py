"""Existing engines that the client can work with, each an extra; the core imports none of them.

``redis`` shares a request budget or a journal between processes, ``spark`` reads cases on a
cluster, ``dlt`` loads them into a warehouse night by night, ``otel`` makes spans and metrics.
"""

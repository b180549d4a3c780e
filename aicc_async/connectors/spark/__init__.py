"""Cases in Spark: ``spark.read.format("aicc_cases")`` and ``readStream`` (extra ``spark``)."""

from .source import register

__all__ = ["register"]

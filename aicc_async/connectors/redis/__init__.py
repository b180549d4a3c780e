"""What processes share in a Redis: a budget of requests, and a journal (extra ``redis``)."""

from .budget import RedisBudget
from .journal import RedisJournal

__all__ = ["RedisBudget", "RedisJournal"]

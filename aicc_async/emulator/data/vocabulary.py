"""The words and ids that invented cases are made of.

A value that a tuple holds twice is drawn twice as often. The titles hold what breaks careless code:
quotes, commas, line ends, backslashes, other scripts, emoji.
"""

import random

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# Case types: id to name.
TYPES = {
    "cvmC00000149NzxF1ePA": "Complaint",
    "cvmC00000149PQzoNeq0": "Delivery",
    "cvmC0000014Oc9jgT7ZI": "Repair",
    "cvmC0000015RtnBillQ1": "账单",
    "cvmC0000015RtnAskDE2": "Auskunft",
}
TITLES = (
    "Parcel {n} has not arrived",
    "Refund for order {n}",
    'Customer says "it never worked", device {n}',
    "Invoice {n} shows the wrong address",
    "Call dropped twice\nwants to be called back ({n})",
    "Router {n} keeps restarting 🔁",
    "Thank you note for the team 🎉 {n}",
    "C:\\orders\\{n}.txt cannot be opened",
    "订单 {n} 未送达",
    "客户要求退款 {n}",
    "账单 {n} 金额有误",
    "Lieferung {n} beschädigt angekommen",
    "Rückfrage zur Rechnung {n}: „zu hoch“",
    "Colis {n} jamais reçu",
    "El pedido {n} llegó incompleto",
)
DESCRIPTIONS = (
    "Reported by telephone; the customer expects an answer.",
    'Written by the customer:\n\t"Please look into it."',
    "客户来电反映问题。请尽快处理。",
    "Kunde bittet um Rückruf am Nachmittag.",
)

# A priority may be empty: the second row of document 001's sample has ``""``.
PRIORITIES = ("Low", "Medium", "Medium", "High", "Critical", "")
ORIGINS = ("Voice", "Voice", "Email", "webchat", "Whatsapp")
STATES = ("Completed", "Completed", "Completed", "Processing", "Processing", "Pending")

# The status is a flow node that the tenant names. ``y`` is the one of document 001's sample.
FLOW_NODES = ("y", "New", "Waiting for customer", "二线处理")
REASONS = (None, None, None, "Defect", "Misuse", "物流")
REGIONS = ("north", "south", "east", "west", "海外")
AGENTS = ("ServiceCloud", "Agent One", "Agent Two", "客服三", "Agent Vier")


def _draw_ids(prefix: str, size: int) -> tuple[str, ...]:
    draw = random.Random(prefix)  # noqa: S311  (invented ids guard nothing)
    return tuple(f"{prefix}000001{''.join(draw.choices(ALPHABET, k=10))}" for _ in range(size))


OWNERS = _draw_ids("10gg", 40)
CREATORS = _draw_ids("10gd", 25)
CONTACTS = _draw_ids("ciIy", 2000)
QUEUES = _draw_ids("cqUe", 6)
TYPE_IDS = tuple(TYPES)

"""A believable AICC tenant on this machine, in the documents' literal wire shapes.

It imports nothing from the rest of the package, so that a misreading of the documents cannot hide
in code that client and tenant share. Where a document is silent or contradicts itself, the code
says which reading was taken; ``Readings`` and ``Quirks`` switch to others.
"""

from .faults.page_faults import PageFault
from .faults.script import Fault
from .http.routes import Recorded
from .options import Latency, Quirks, Readings
from .server import Emulator
from .thread import run_in_thread

__all__ = [
    "Emulator",
    "Fault",
    "Latency",
    "PageFault",
    "Quirks",
    "Readings",
    "Recorded",
    "run_in_thread",
]

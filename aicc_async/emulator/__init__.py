"""A believable AICC tenant on this machine, in the documents' literal wire shapes.

It imports nothing from the rest of the package, so that a misreading cannot hide in shared code.
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

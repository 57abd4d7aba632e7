"""SMTP transport: one account in, receipts out.

Standard library only. It opens and signs in sessions, sends batches at a round trip a message,
and keeps sessions in a pool. It refuses to judge the words of a reply, to store anything, and to
send again what may have been accepted.
"""

from .account import Account, Encryption, Login, Secret
from .envelope import Envelope, Receipt, Watch
from .errors import Outcome, Stage, TransportError
from .pool import Pool
from .session import Session
from .transcript import Line, Transcript

__all__ = [
    "Account",
    "Encryption",
    "Envelope",
    "Line",
    "Login",
    "Outcome",
    "Pool",
    "Receipt",
    "Secret",
    "Session",
    "Stage",
    "Transcript",
    "TransportError",
    "Watch",
]

"""What mailsetup keeps in the database."""

from mailsetup.models.lease import Lease
from mailsetup.models.message import Attempt, LogLevel, Message, Priority, State
from mailsetup.models.profile import SMTPProfile
from mailsetup.models.state import ProfileState, ProfilesVersion

__all__ = [
    "Attempt",
    "Lease",
    "LogLevel",
    "Message",
    "Priority",
    "ProfileState",
    "ProfilesVersion",
    "SMTPProfile",
    "State",
]

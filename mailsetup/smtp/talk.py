"""What a conversation on one connection has come to, from one batch to the next."""

from __future__ import annotations

from typing import Final

from .servers import Features, Server
from .wire import Wire

__all__ = ["MAX_RESETS", "Talk"]

# Exim drops a client after ten commands that are no mail.
MAX_RESETS: Final = 8
# How long a flight of several messages is to take, at most, by the pace of the one before.
FLIGHT_SECONDS: Final = 2.0


class Talk:
    """What the conversation on one connection has come to.

    Attributes:
        fresh: the connection answered a moment ago; False asks for two flights, the envelope
            being the proof that it still lives.
        dirty: a transaction may be open in the server: RSET first.
        over: the connection is not to be used again.
        steady: several messages went out together, and none was refused.
        pace: seconds that each message of the last flight took.
        resets: RSETs said so far behind what was refused.
        count: messages given to the connection so far.
    """

    __slots__ = ("count", "dirty", "features", "fresh", "over", "pace", "resets", "steady")

    def __init__(self) -> None:
        self.fresh = True
        self.dirty = False
        self.over = False
        self.steady = False
        self.pace = 0.0
        self.resets = 0
        self.count = 0
        self.features: Features | None = None

    def learn(self, wire: Wire, server: Server) -> Features:
        """Return what may be used, from memory unless EHLO or experience changed it."""
        known = self.features
        offers = wire.esmtp_features
        if known is None or known.source is not offers or known.changes != server.changes:
            known = self.features = Features(offers, server)
        return known

    def most_in_flight(self, wanted: int) -> int:
        """Return how many messages may go out together, of the number that the account allows.

        Each that is refused costs one of the RSETs that the server puts up with, and those behind
        the last one would be in doubt: few at first, and no more than what is left of them. And
        no more than go out in a moment: nobody can end a flight, or overtake it.
        """
        most = wanted
        if not self.steady or self.resets:
            most = min(most, MAX_RESETS - self.resets)
        if self.pace > 0:
            most = min(most, int(FLIGHT_SECONDS / self.pace))
        return max(1, most)

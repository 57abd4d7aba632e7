"""An SMTP server that writes each Message-ID to a file at the final dot, in a process of its own.

It is what was really delivered: nothing kills it. One connection in four gets CHUNKING offered
(two with ``--chunks``), one neither CHUNKING nor PIPELINING, the others PIPELINING. Where a trap is
set, the conversation stops: before the reply to RCPT, in the middle of a content, or between the
final dot and its reply.

    python -m benchmarks.faults.server FILE SEED [--chunks]

prints its port. The traps are in the folder that ``FAULTS_TRAPS`` names.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import sys
from typing import NoReturn

from .traps import PATIENCE, POLL, Traps, from_environment

HOST = "127.0.0.1"
END = b"\r\n.\r\n"
# A content this large does not fit into the buffers on its way: its sender can be met midway.
LARGE = 3_000_000
# What the server takes of it before it stops.
TASTE = 20_000
# Seconds that it takes to accept a mail: a real one is not faster, and workers hold claims longer.
ACCEPT = 0.002
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\r\n]+>)", re.IGNORECASE | re.MULTILINE)
_PIPELINING, _BOTH = ("PIPELINING",), ("PIPELINING", "CHUNKING")


class GoneError(Exception):
    """The client has gone, or says goodbye."""


class Conversation:
    """One connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        record: int,
        traps: Traps,
        offers: tuple[str, ...],
    ) -> None:
        self.reader, self.writer = reader, writer
        self.record, self.traps, self.offers = record, traps, offers
        self.port = writer.get_extra_info("peername")[1]
        self.data = bytearray()
        self.recipient = ""

    async def run(self) -> None:
        """Talk until the client goes."""
        try:
            self.say("220 faults.example ready")
            while True:
                line = await self._line()
                await self._answer(line)
        except (GoneError, ConnectionError):
            pass
        finally:
            self.writer.close()

    def say(self, text: str) -> None:
        """Write a reply; to a client that has gone there is nobody to write to."""
        if not self.writer.is_closing():
            self.writer.write(text.encode() + b"\r\n")

    async def _fill(self) -> None:
        await self.writer.drain()
        more = await self.reader.read(65_536)
        if not more:
            raise GoneError
        self.data += more

    async def _line(self) -> bytes:
        while (end := self.data.find(b"\r\n")) < 0:
            await self._fill()
        line = bytes(self.data[:end])
        del self.data[: end + 2]
        return line

    async def _answer(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            lines = ["faults.example", "AUTH PLAIN LOGIN", *self.offers, "ENHANCEDSTATUSCODES"]
            for offer in lines[:-1]:
                self.say(f"250-{offer}")
            self.say(f"250 {lines[-1]}")
        elif verb == b"AUTH":
            self.say("235 2.7.0 Welcome")
        elif verb == b"RCPT":
            self.recipient = line.partition(b"<")[2].partition(b">")[0].decode()
            # With CHUNKING the content is on its way together with the envelope.
            if "CHUNKING" not in self.offers:
                await self._stop("envelope")
            self.say("250 2.1.5 OK")
        elif verb == b"DATA":
            self.say("354 Go on")
            await self._until_dot()
        elif verb == b"BDAT":
            await self._chunk(int(line.split()[1]))
        elif verb == b"QUIT":
            self._say_goodbye()
        else:
            self.say("250 2.0.0 OK")

    def _say_goodbye(self) -> NoReturn:
        self.say("221 2.0.0 Bye")
        raise GoneError

    async def _until_dot(self) -> None:
        searched, tasted = 0, False
        while (end := self.data.find(END, searched)) < 0:
            searched = max(0, len(self.data) - len(END))
            if len(self.data) > TASTE and not tasted:
                tasted = True
                await self._stop("content")
            await self._fill()
        content = bytes(self.data[:end])
        del self.data[: end + len(END)]
        await self._accept(content)

    async def _chunk(self, size: int) -> None:
        tasted = False
        while len(self.data) < size:
            if len(self.data) > TASTE and not tasted:
                tasted = True
                await self._stop("content")
            await self._fill()
        content = bytes(self.data[:size])
        del self.data[:size]
        await self._accept(content)

    async def _accept(self, content: bytes) -> None:
        found = _MESSAGE_ID.search(content[:TASTE])
        name = found.group(1) if found else b"<unknown>"
        await asyncio.sleep(ACCEPT)
        os.write(self.record, name + b"\n")
        await self._stop("after the dot")
        self.say("250 2.0.0 Accepted")

    async def _stop(self, place: str) -> None:
        """Stop here if there is a trap; the recipient's domain tells whose."""
        name = f"{self.recipient.rpartition('@')[2]} {place}"
        if not self.traps.spring(name, port=self.port, recipient=self.recipient):
            return
        await self.writer.drain()
        for _ in range(int(PATIENCE / POLL)):
            if not self.traps.holds(name):
                return
            await asyncio.sleep(POLL)


async def serve(file: str, seed: int, *, chunks: bool) -> None:
    """Serve until the process is ended."""
    record = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    traps, chance = from_environment(), random.Random(seed)
    kinds = (_PIPELINING, _BOTH if chunks else _PIPELINING, _BOTH, ())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        offers = chance.choice(kinds)
        await Conversation(reader, writer, record=record, traps=traps, offers=offers).run()

    listener = socket.create_server((HOST, 0), backlog=64)
    # Small, or a large content would lie in the system's buffers whole.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    server = await asyncio.start_server(talk, sock=listener, limit=8_192)
    print(listener.getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), chunks="--chunks" in sys.argv))

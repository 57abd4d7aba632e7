"""A proxy that adds a round-trip time and counts the round trips, as a process of its own.

Whatever arrives is passed on half the round-trip time later, however much and however often: it
limits neither pipelining nor bandwidth. A connection costs one round trip more, for the TCP
handshake that the proxy cannot delay. What it does not know is TCP's slow start: a large content
on a new connection takes longer over a real line than here.

A round trip is counted where the client speaks after it was spoken to, and one for connecting.
On a line of standard input it prints what it has counted.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
from queue import SimpleQueue
from time import monotonic, sleep

# Connecting is counted before the upstream server is asked, and may have this long.
_CONNECT = 10.0


class Counters:
    """What has passed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.connections = 0
        self.round_trips = 0

    def count(self, *, connections: int = 0, round_trips: int = 0) -> None:
        """Add to the counts."""
        with self._lock:
            self.connections += connections
            self.round_trips += round_trips

    def as_dict(self) -> dict[str, int]:
        """Return the counts."""
        with self._lock:
            return {"connections": self.connections, "round_trips": self.round_trips}


class Link:
    """One connection through the proxy, with a thread to read and one to write each way."""

    def __init__(
        self, client: socket.socket, upstream: tuple[str, int], rtt: float, counters: Counters
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._rtt = rtt
        self._counters = counters
        # The server has spoken since the client did; so may the client now begin a round trip.
        self._spoken_to = False
        self._client_spoke = False

    def run(self) -> None:
        """Pass on until one side ends."""
        self._counters.count(connections=1, round_trips=1)
        # The client knows a round trip after its first packet that it is connected.
        sleep(self._rtt)
        try:
            server = socket.create_connection(self._upstream, _CONNECT)
        except OSError:
            self._client.close()
            return
        server.settimeout(None)
        for sock in (self._client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = [
            threading.Thread(target=self._pass_on, args=(self._client, server)),
            threading.Thread(target=self._pass_on, args=(server, self._client)),
        ]
        for way in ways:
            way.daemon = True
            way.start()
        for way in ways:
            way.join()
        self._client.close()
        server.close()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        queue: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        writer = threading.Thread(target=self._write, args=(queue, target), daemon=True)
        writer.start()
        data = b"-"
        while data:
            try:
                data = source.recv(1_048_576)
            except OSError:
                data = b""
            now = monotonic()
            queue.put((now + self._due_after(source), data))
            if data and source is self._client and self._spoken_to:
                self._spoken_to = False
                self._counters.count(round_trips=1)
        writer.join()

    def _due_after(self, source: socket.socket) -> float:
        if source is self._client:
            self._client_spoke = True
        elif not self._client_spoke:
            # A server that speaks first does so when the client's last packet of the TCP
            # handshake has arrived.
            return self._rtt
        return self._rtt / 2

    def _write(self, queue: SimpleQueue[tuple[float, bytes]], target: socket.socket) -> None:
        while True:
            due, data = queue.get()
            wait = due - monotonic()
            if wait > 0:
                sleep(wait)
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                if target is self._client:
                    self._spoken_to = True
                target.sendall(data)
            except OSError:
                return


class DelayProxy:
    """Listen on a free port of this computer and pass connections on.

    Args:
        upstream: address and port of the server.
        rtt: the round-trip time to add, in seconds.
    """

    def __init__(self, upstream: tuple[str, int], rtt: float) -> None:
        self.counters = Counters()
        self._upstream = upstream
        self._rtt = rtt
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                # close() was called.
                return
            link = Link(client, self._upstream, self._rtt, self.counters)
            threading.Thread(target=link.run, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        # Without it accept() would go on waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the server's port")
    parser.add_argument("--rtt", type=float, required=True, help="milliseconds")
    options = parser.parse_args()
    proxy = DelayProxy(("127.0.0.1", options.port), options.rtt / 1000)
    print(json.dumps({"port": proxy.port}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(proxy.counters.as_dict()), flush=True)


if __name__ == "__main__":
    main()

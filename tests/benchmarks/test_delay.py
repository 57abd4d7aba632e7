"""The benchmark's proxy counts what it says it counts, and limits nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from benchmarks.delay import DelayProxy

RTT = 0.05


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """Greet, then answer each line with one line."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.sendall(b"hello\n")
            while data := sock.recv(65536):
                sock.sendall(b"yes\n" * data.count(b"\n"))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()
    thread.join(5)
    listener.close()


@pytest.fixture
def proxy(server: tuple[str, int]) -> Iterator[DelayProxy]:
    proxy = DelayProxy(server, RTT)
    yield proxy
    proxy.close()


@pytest.fixture
def client(proxy: DelayProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as sock:
        yield sock


def read(sock: socket.socket, lines: int) -> bytes:
    found = bytearray()
    seen = 0
    while seen < lines:
        data = sock.recv(65536)
        assert data
        seen += data.count(b"\n")
        found += data
    return bytes(found)


def test_a_connection_and_a_greeting_take_two_round_trips_and_count_one(proxy):
    began = monotonic()
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as sock:
        assert read(sock, 1) == b"hello\n"
    assert monotonic() - began >= 2 * RTT
    assert proxy.counters.as_dict() == {"connections": 1, "round_trips": 1}


def test_each_question_and_answer_is_a_round_trip(proxy, client):
    read(client, 1)
    for asked in range(1, 4):
        began = monotonic()
        client.sendall(b"?\n")
        assert read(client, 1) == b"yes\n"
        assert monotonic() - began >= RTT
        assert proxy.counters.as_dict()["round_trips"] == 1 + asked


def test_what_goes_out_together_is_one_round_trip_however_it_is_cut(proxy, client):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    read(client, 1)
    for _ in range(20):
        client.sendall(b"?\n")
    assert read(client, 20) == b"yes\n" * 20
    assert proxy.counters.as_dict()["round_trips"] == 2


def test_much_is_passed_on_whole(proxy, client):
    read(client, 1)
    lines = 500_000
    writer = threading.Thread(target=client.sendall, args=((b"x" * 9 + b"\n") * lines,))
    writer.start()
    assert len(read(client, lines)) == 4 * lines
    writer.join(5)

"""Stands between a browser and a site, and keeps every byte that the site says.

A browser's own tools forget the bodies of redirects and of pages left behind; the wire forgets
nothing. What the visitor types goes up unseen: it is what comes down that must hold no secret.
"""

import asyncio
import base64
import json
import threading
from html import escape
from urllib.parse import quote, quote_plus


class Wire:
    """Passes connections on to a port of this computer, from a port of its own.

    Args:
        target: the site's port.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._heard: list[bytearray] = []
        self._loop = asyncio.new_event_loop()
        self._loop.set_debug(False)  # development mode makes it slow, for nothing here
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._pass, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def forget(self) -> None:
        """Begin anew, for the next test."""
        self._heard = [bytearray()]

    def found(self, secrets: list[str]) -> list[str]:
        """Return the secrets that came down, in any form that a page could hide them in."""
        down = b"\n".join(bytes(each) for each in self._heard)
        return [each for each in secrets if any(form in down for form in forms(each))]

    def stop(self) -> None:
        """Close the port and all connections."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _pass(self, reader, writer) -> None:
        heard = bytearray()
        self._heard.append(heard)
        try:
            site_reader, site_writer = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(
                _pump(reader, site_writer),
                _pump(site_reader, writer, heard),
                return_exceptions=True,
            )
        except (OSError, asyncio.CancelledError):
            writer.close()


async def _pump(reader, writer, heard=None) -> None:
    try:
        while data := await reader.read(65536):
            if heard is not None:
                heard += data
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # either side may hang up whenever it likes
    finally:
        writer.close()


def forms(secret: str) -> set[bytes]:
    """Return a secret in each of the writings that it could come down in."""
    encoded = base64.b64encode(secret.encode()).decode()
    texts = {
        secret,
        escape(secret),
        escape(escape(secret)),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        encoded,
        # As it stands inside a longer text, whatever comes before it.
        *(base64.b64encode(b"\0" * n + secret.encode()).decode()[4:-4] for n in (1, 2)),
    }
    return {text.encode() for text in texts}

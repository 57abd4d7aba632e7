"""Writes down the mails that were sent at once, after they went.

``write_down()`` only puts an entry into a queue. A thread with a database connection of its own
writes what has gathered: never inside the caller's transaction, which would hold SQLite's write
lock through the sending and whose rollback would erase the truth. Nothing here keeps a mail back
or fails one.

What the queue cannot take, and what is in it when the process is killed, is missing in the log.
The first is told to the logger ``mailsetup``. At the end of the process the rest is written.

**In tests** (Django's test environment, or a database in memory) there is no thread: a second
connection would not see the transaction of a ``TestCase``, would lock the database against it,
and would leave rows behind. Entries wait for :func:`flush`, which writes them by the caller's
connection; those of a test before are forgotten.
"""

import atexit
import logging
import sys
import threading
from collections import deque
from functools import cache
from time import monotonic
from typing import Any, Final

from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from mailsetup import conf
from mailsetup.delivery.log import entries
from mailsetup.delivery.log.entries import Entry
from mailsetup.delivery.log.purge import purge_if_due
from mailsetup.delivery.reporting import report
from mailsetup.effective.threads import in_event_loop
from mailsetup.models import Message
from mailsetup.smtp import forking

# Seconds during which entries gather; that the thread waits for work before it ends; that a
# sender waits for room in a full queue; that the end of the process, or a fork, waits.
PAUSE: Final = 0.1
IDLE: Final = 10.0
MOST_WAITING: Final = 0.25
MOST_ENDING: Final = 5.0
# Seconds between tries while the database is out of reach, the first and the longest; after how
# many seconds of that it is told, for a lock may be held for long; that SQLite waits for a lock.
RETRY: Final = (0.2, 5.0)
TELL_AFTER: Final = 10.0
# Seconds before the thread looks whether the log is to be purged, and that it spends on it.
PURGE_AFTER: Final = 60.0
PURGE_SECONDS: Final = 1.0
LOCKED: Final = 2.0
# Rows in one transaction, and octets of content that wait in memory at most.
BATCH: Final = 200
MOST_OCTETS: Final = 32_000_000


class Logbook:
    """The entries that wait, and the thread that writes them."""

    def __init__(self) -> None:
        # Whether a thread writes; None for "unless in tests, or into memory".
        self.threaded: bool | None = None
        self._connection: Any = None
        self._inherited: Any = None
        self._fresh_state()
        forking.watch_pool(self)

    def _fresh_state(self) -> None:
        self._lock = threading.Lock()
        # Told when entries arrive at a thread that waits; when some were written, or failed.
        self._arrived = threading.Condition(self._lock)
        self._done = threading.Condition(self._lock)
        self._entries: deque[Entry] = deque()
        self._octets = 0
        self._writing: list[Entry] = []
        self._thread: threading.Thread | None = None
        self._halted = False
        self._hurried = False
        self._waits = False
        # Failures in a row; entries lost since the last report.
        self._failures = 0
        self._failed_first = 0.0
        self._is_told = False
        self._missing = 0
        self._ends_with_process = False
        self._began = monotonic()
        # Entries of a test, and Django's mailbox of it.
        self._held: list[Entry] = []
        self._test: Any = None

    def __repr__(self) -> str:
        return f"<Logbook {len(self._entries) + len(self._writing)} entries>"

    # Taking entries

    def write_down(self, entry: Entry) -> None:
        """Have an entry written soon; never raises because of the database.

        It waits only where the queue is full, for at most ``MOST_WAITING`` seconds; then the
        entry is missing, which is told to the site's log.
        """
        if self._is_held():
            self._hold(entry)
            return
        with self._lock:
            if not self._has_room(entry):
                return
            self._entries.append(entry)
            self._octets += entry.octets
            if self._thread is None:
                self._start()
            elif self._waits:
                self._waits = False
                self._arrived.notify()

    def _has_room(self, entry: Entry) -> bool:
        if self._fits():
            return True
        is_writer = threading.current_thread() is self._thread
        if not (self._failures or is_writer or in_event_loop()):
            self._hurried = True
            self._arrived.notify()
            if self._done.wait_for(self._fits, MOST_WAITING):
                return True
        # A lost report of a loss is not reported, or that would never end.
        self._missing += not entry.request.reports_failure
        return False

    def _fits(self) -> bool:
        waiting = len(self._entries) + len(self._writing)
        return waiting < conf.option("LOG_QUEUE") and self._octets < MOST_OCTETS

    def _hold(self, entry: Entry) -> None:
        with self._lock:
            outbox = getattr(mail, "outbox", None)
            if outbox is not self._test:
                self._test, self._held = outbox, []
            if len(self._held) < conf.option("LOG_QUEUE"):
                self._held.append(entry)

    def flush(self, timeout: float = MOST_ENDING) -> bool:
        """Write what waits, now.

        Args:
            timeout: seconds to wait for the thread.

        Returns:
            Whether nothing waits any more.

        Raises:
            DatabaseError: in tests only, where the caller's own connection is used.
        """
        if self._is_held():
            with self._lock:
                held, self._held = self._held, []
            if held and self._test is getattr(mail, "outbox", None):
                entries.insert(held)
            return True
        with self._lock:
            self._hurried = True
            if self._entries and self._thread is None:
                self._start()
            self._arrived.notify()
            failures = self._failures
            if self._thread is None:
                return not self._entries
            self._done.wait_for(
                lambda: self._failures > failures or not (self._entries or self._writing), timeout
            )
            return not (self._entries or self._writing)

    # The thread

    def _start(self) -> None:
        self._halted = False
        self._waits = False
        thread = threading.Thread(target=self._run, name="mailsetup-log", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is ending; `close` writes what waits.
            return
        self._thread = thread
        self._end_with_process()

    def _end_with_process(self) -> None:
        """Write the rest at the end of a child of multiprocessing or Celery too.

        Such a child ends without Python's own exit handlers.
        """
        if not self._ends_with_process:
            self._ends_with_process = True
            for name in ("multiprocessing.util", "billiard.util"):
                if (util := sys.modules.get(name)) is not None:
                    util.Finalize(None, self.close, exitpriority=100)

    def _run(self) -> None:
        connection = self._connection = connections[router.db_for_write(Message)]
        try:
            while self._gather():
                self._write(connection)
        finally:
            connection.close()

    def _gather(self) -> bool:
        """Wait for entries and take some; False ends the thread."""
        with self._lock:
            if not self._entries and not self._halted:
                self._waits = True
                self._arrived.wait_for(lambda: self._entries or self._halted, IDLE)
                self._waits = False
            if self._entries and not self._halted:
                pause = min(RETRY[0] * 2**self._failures, RETRY[1]) if self._failures else PAUSE
                self._arrived.wait_for(lambda: self._halted or self._hurried, pause)
                self._hurried = self._hurried and len(self._entries) > BATCH
            if self._halted or not self._entries:
                self._thread = None
                return False
            self._take()
            return True

    def _take(self) -> None:
        count = min(BATCH, len(self._entries))
        self._writing = [self._entries.popleft() for _number in range(count)]

    def _write(self, connection: BaseDatabaseWrapper) -> None:
        """Write the entries taken; put them back where the database is out of reach."""
        lost = 0
        try:
            connection.close_if_unusable_or_obsolete()
            _wait_briefly_for_locks(connection)
            lost = self._insert()
        except ImproperlyConfigured:
            # The site has no database.
            self._writing = []
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread goes on
            connection.close()
            self._put_back(error)
            return
        with self._lock:
            self._octets = sum(entry.octets for entry in self._entries)
            self._failures = 0
            self._is_told = False
            missing, self._missing = self._missing + lost, 0
            self._done.notify_all()
        _tell_missing(missing)
        if monotonic() > self._began + PURGE_AFTER:
            # A site that sends at once only has nobody else to do it.
            purge_if_due(seconds=PURGE_SECONDS)

    def _insert(self) -> int:
        """Write the entries taken; one that the database refuses does not keep the others out.

        Returns:
            How many it refused.

        Raises:
            Exception: the database is out of reach; what is left is still taken.
        """
        try:
            entries.insert(self._writing)
        except (OperationalError, InterfaceError, ImproperlyConfigured):
            raise
        except Exception:
            if not _is_table_there():
                raise
        else:
            self._writing = []
        lost = 0
        while self._writing:
            try:
                entries.insert(self._writing[:1])
            except (OperationalError, InterfaceError):
                raise
            except Exception as error:  # noqa: BLE001 - it is about this one
                report(logging.WARNING, "An entry of the mail log cannot be written: %s", error)
                lost += 1
            self._writing = self._writing[1:]
        return lost

    def _put_back(self, error: Exception) -> None:
        with self._lock:
            self._entries.extendleft(reversed(self._writing))
            self._writing = []
            if not self._failures:
                self._failed_first = monotonic()
            self._failures += 1
            waiting = len(self._entries)
            self._done.notify_all()
            is_told = self._is_told or monotonic() < self._failed_first + TELL_AFTER
            self._is_told = self._is_told or not is_told
        if not is_told:
            report(
                logging.WARNING,
                "The mail log cannot be written (%s). Mails go out all the same; the entries of "
                "%d of them wait, and what comes to more than LOG_QUEUE will be missing.",
                str(error).strip() or type(error).__name__,
                waiting,
            )

    # Ending

    def _stop(self, timeout: float) -> bool:
        """End the thread, its connection closed; what waits, waits. Tell whether it ended."""
        with self._lock:
            thread = self._thread
            self._halted = True
            self._arrived.notify_all()
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def close(self) -> None:
        """Write what waits, for the process ends; what cannot be written is told."""
        if self._is_held() or threading.current_thread() is self._thread:
            return
        ends = monotonic() + MOST_ENDING
        if not self._failures:
            self.flush()
        is_over = self._stop(max(0.1, ends - monotonic()))
        connection = connections[router.db_for_write(Message)]
        if is_over and not connection.in_atomic_block:
            # Without the thread: the interpreter starts none any more.
            while self._entries and not self._failures:
                with self._lock:
                    self._take()
                self._write(connection)
        with self._lock:
            missing, self._missing = self._missing + len(self._entries), 0
            self._entries.clear()
            self._octets = self._failures = 0
            self._is_told = False
        _tell_missing(missing)

    def before_fork(self) -> None:
        """End the thread: SQLite's files break where a connection lives on in two processes."""
        self._stop(MOST_ENDING)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        with self._lock:
            self._halted = False
            if self._entries and self._thread is None:
                self._start()

    def after_fork_in_child(self) -> None:
        """Start empty: the parent writes what waits."""
        # Of a thread that did not end in time: closing its connection would break the parent's.
        self._inherited = self._connection
        self._fresh_state()

    def _is_held(self) -> bool:
        """Tell whether entries wait for `flush`: in tests, and where the database is in memory."""
        if self.threaded is None:
            return hasattr(mail, "outbox") or _is_in_memory()
        return not self.threaded


def _tell_missing(number: int) -> None:
    if number:
        report(logging.WARNING, "Entries of the mail log that are missing: %d.", number)


def _is_table_there() -> bool:
    """Tell whether the table can be read: what was refused was refused for itself then."""
    try:
        Message.objects.using(router.db_for_write(Message)).exists()
    except Exception:  # noqa: BLE001 - an answer too
        return False
    return True


def _wait_briefly_for_locks(connection: BaseDatabaseWrapper) -> None:
    """Have SQLite give up early: whoever forks waits for the thread."""
    if connection.vendor == "sqlite" and connection.connection is None:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {LOCKED * 1000:.0f}")


@cache
def _is_in_memory() -> bool:
    settings = connections.settings[router.db_for_write(Message)]
    name = str(settings.get("NAME", ""))
    return "sqlite" in settings["ENGINE"] and (name == ":memory:" or "mode=memory" in name)


logbook: Final = Logbook()
write_down = logbook.write_down
flush = logbook.flush
atexit.register(logbook.close)

"""Sessions do not live on in a forked child.

Two processes on one TLS connection break it for both. In the child every inherited session is
closed, in silence: QUIT is the parent's to say. Pools stop their helper thread before a fork and
are empty after it in the child, with locks of their own.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["watch", "watch_pool"]


class _Session(Protocol):
    def close(self) -> None: ...


class _Pool(Protocol):
    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_sessions: weakref.WeakSet[_Session] = weakref.WeakSet()
_pools: weakref.WeakSet[_Pool] = weakref.WeakSet()


def watch(session: _Session) -> None:
    """Close *session* in a child that is forked from now on."""
    _sessions.add(session)


def watch_pool(pool: _Pool) -> None:
    """Tell *pool* of forks from now on."""
    _pools.add(pool)


def _before() -> None:
    for pool in list(_pools):
        pool.before_fork()


def _in_parent() -> None:
    for pool in list(_pools):
        pool.after_fork_in_parent()


def _in_child() -> None:
    global _sessions
    inherited, _sessions = list(_sessions), weakref.WeakSet()
    for session in inherited:
        session.close()
    for pool in list(_pools):
        pool.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)

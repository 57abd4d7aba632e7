"""Starts and asks the processes that a measurement needs, each one line of JSON at a time.

Each side of a comparison has a process of its own, so that processor time and memory are its own;
the servers have theirs, so that no interpreter lock is shared with what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


# What can be asked of a process, by name.
Actions = Mapping[str, Callable[..., dict[str, Any]]]


class ServiceError(RuntimeError):
    """A process of the benchmark ended, or told of an error."""


class Service(AbstractContextManager["Service"]):
    """A module run as a process that answers lines of standard input with lines of JSON.

    Args:
        module: what `python -m` runs.
        arguments: its command line.
        environment: variables on top of this process's.
    """

    def __init__(
        self, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.hello = self._read()
        except BaseException:
            self.stop()
            raise

    def ask(self, **question: Any) -> dict[str, Any]:
        """Send one line and return the answer.

        Raises:
            ServiceError: the process ended, or its answer is an error.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ServiceError(f"{self._module} ended.") from error
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ServiceError(f"{self._module} ended.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ServiceError(f"{self._module}: {answer['error']}")
        return answer

    def stop(self) -> None:
        """End the process."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.close()
        except OSError:
            # It has ended by itself.
            pass
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(prepare: Callable[[], Actions]) -> None:
    """Be such a process: answer what is asked until standard input ends.

    Args:
        prepare: called when all that is printed goes to standard error.
    """
    answers, sys.stdout = sys.stdout, sys.stderr

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    actions = prepare()
    say({"pid": os.getpid()})
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = actions[question.pop("do")](**question)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        say(answer)

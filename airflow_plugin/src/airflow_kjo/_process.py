"""Run ``kjo`` as a child process, with its output as lines. No Airflow import.

What holds whatever happens (a time-out or a kill of the task may raise at any point):

* the child has a session of its own and nothing of this process but its two pipes. Above all not
  descriptor 0: in Airflow 3 that is the socket of the supervisor, which would take a dead task
  for a living one as long as a child holds it;
* the child is asked to end once (kjo takes a second SIGTERM for impatience and leaves at once),
  its last lines are read, and it is killed when it is late;
* it never sees the end of a manifest that was not handed over whole.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO

from airflow_kjo._lines import LineBuffer

TICK = 0.5
"""Seconds between two looks at what no descriptor tells: the deadline, and the child's end."""

_READ = 1 << 16

_SECRET_PREFIXES = ("AIRFLOW__", "_AIRFLOW")


class NotStartedError(Exception):
    """The process was asked to end before it was started, and so was not started."""


class StartError(Exception):
    """The operating system does not start the program; the cause is the OSError."""


def child_environment(
    inherited: Mapping[str, str], extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the child's environment: ``inherited`` without Airflow's own settings, and ``extra``.

    ``AIRFLOW__*`` holds the password of Airflow's database and the key of its tokens. The rest
    stays: programs that fetch cluster credentials need it.
    """
    kept = {k: v for k, v in inherited.items() if not k.startswith(_SECRET_PREFIXES)}
    return {**kept, **(extra or {})}


class Process:
    """One run of a program.

    :param argv: the program and its arguments.
    :param env: the whole environment of the child.
    :param stdin: what the child reads from its standard input, through a pipe.
    :param on_line: called in the calling thread with each line of stdout and stderr, which share
        one pipe and so keep their order. What it raises ends the run like any other exception.
    :param kill_timeout: seconds from the request to end until SIGKILL.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: bytes,
        on_line: Callable[[str], None],
        kill_timeout: float,
    ) -> None:
        self._argv = list(argv)
        self._env = dict(env)
        self._stdin = memoryview(stdin)
        self._on_line = on_line
        self._kill_timeout = kill_timeout
        self._lines = LineBuffer()
        self._child: subprocess.Popen[bytes] | None = None
        self._deadline: float | None = None
        self._asked = False

    def terminate(self) -> None:
        """Ask the child to end, with SIGTERM, and have :meth:`run` see to it that it does.

        May be called from a signal handler, at any time and more than once: it neither waits,
        nor locks, nor raises, and only the first call sends the signal.
        """
        if self._deadline is None:
            self._deadline = time.monotonic() + self._kill_timeout
        if self._child is not None and not self._asked:
            self._asked = True
            # To kjo alone: a program that it runs for credentials may be needed for the deletion.
            self._child.terminate()

    def run(self) -> int:
        """Run the program to its end; return its exit code, ``-N`` where signal N ended it.

        An exception that is raised meanwhile in this thread (also a BaseException, such as a
        time-out of the task) ends the child in order before it goes on to the caller.

        :raises NotStartedError: :meth:`terminate` was called before.
        :raises StartError: the program cannot be started.
        """
        if self._deadline is not None:
            raise NotStartedError
        try:
            self._child = self._start()
            if self._deadline is not None:
                # Asked to end by a signal that came during the start.
                self.terminate()
            return self._follow(self._child)
        except BaseException:
            self.terminate()
            self._finish()
            raise
        finally:
            self._close()

    def _start(self) -> subprocess.Popen[bytes]:
        # A time-out that is raised between the start and the assignment of its result leaves a
        # child whose input is closed and empty, with which it ends by itself.
        try:
            return subprocess.Popen(  # noqa: S603 (no shell; the program is the caller's)
                self._argv,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise StartError(f"{self._argv[0]} cannot be started: {error}") from error

    def _finish(self) -> None:
        """Go on until the child has ended, whatever else is raised; bounded by the deadline."""
        while (child := self._child) is not None:
            # The caller raises the first exception; a further one (a second signal, a log that
            # cannot be written) changes nothing about what is left to do here.
            with suppress(BaseException):
                self._follow(child)
                return
            with suppress(BaseException):
                self._kill_if_late(child)
            if self._late() and child.returncode is not None:
                return

    def _follow(self, child: subprocess.Popen[bytes]) -> int:
        """Feed and read the child until it has ended; may be called again after an exception."""
        assert child.stdin is not None  # noqa: S101 (PIPE was asked for above)
        assert child.stdout is not None  # noqa: S101
        with selectors.DefaultSelector() as selector:
            if not child.stdout.closed:
                selector.register(child.stdout, selectors.EVENT_READ)
            if not child.stdin.closed and self._deadline is None:
                os.set_blocking(child.stdin.fileno(), False)
                selector.register(child.stdin, selectors.EVENT_WRITE)
            while not child.stdout.closed:
                self._give_out()
                self._kill_if_late(child)
                events = selector.select(TICK)
                for key, _ in events:
                    if key.fileobj is child.stdin:
                        self._write(child.stdin, selector)
                    else:
                        self._read(child.stdout, selector)
                if not events and child.poll() is not None:
                    # All has been read, but a program that the child started holds the pipe.
                    break
        self._lines.end()
        self._give_out()
        while True:
            try:
                return child.wait(TICK)
            except subprocess.TimeoutExpired:
                self._kill_if_late(child)

    def _give_out(self) -> None:
        while (line := self._lines.take()) is not None:
            self._on_line(line)

    def _read(self, pipe: IO[bytes], selector: selectors.BaseSelector) -> None:
        # Not by the file object: a buffered reader raises when a signal handler meets it.
        if chunk := os.read(pipe.fileno(), _READ):
            self._lines.feed(chunk)
        else:
            selector.unregister(pipe)
            pipe.close()

    def _write(self, pipe: IO[bytes], selector: selectors.BaseSelector) -> None:
        if self._deadline is not None:
            # Asked to end: the rest is kept back, and the pipe stays open until the child has
            # ended, for the beginning of a manifest may well be a manifest.
            selector.unregister(pipe)
            return
        try:
            written = os.write(pipe.fileno(), self._stdin[:_READ])
        except BrokenPipeError:
            # The child does not read its input; why, it says itself.
            written = len(self._stdin)
        self._stdin = self._stdin[written:]
        if not self._stdin:
            selector.unregister(pipe)
            pipe.close()

    def _late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _kill_if_late(self, child: subprocess.Popen[bytes]) -> None:
        if not self._late() or child.poll() is not None:
            return
        # The whole session, which the child leads: what it started holds the pipe as well.
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    def _close(self) -> None:
        if self._child is not None:
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None and not pipe.closed:
                    pipe.close()

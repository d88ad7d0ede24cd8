"""Run ``kjo`` as a child process, with its output as lines. No Airflow import.

What holds whatever happens (a time-out or a kill of the task may raise at any point):

* the child has a session of its own and nothing of this process but its two pipes. Above all not
  descriptor 0: in Airflow 3 that is the socket of the supervisor, which would take a dead task
  for a living one as long as a child holds it;
* the child is asked to end once (kjo takes a second signal for impatience and leaves at once), its
  last lines are read, and it is killed when it is late. With which signal is asked for outside of
  any signal handler, for the answer may take a second;
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
from typing import IO, Any

from airflow_kjo._lines import LineBuffer

TICK = 0.5
"""Seconds between two looks at what no descriptor tells: the deadline, and the child's end."""

_READ = 1 << 16

_KEPT_BACK = ("AIRFLOW__", "_AIRFLOW", "KJO_")


class NotStartedError(Exception):
    """The process was asked to end before it was started, and so was not started."""


class StartError(Exception):
    """The operating system does not start the program; the cause is the OSError."""


def child_environment(
    inherited: Mapping[str, str], extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the child's environment: ``inherited`` without Airflow's settings and kjo's, and ``extra``.

    ``AIRFLOW__*`` holds the password of Airflow's database and the key of its tokens. ``KJO_*`` would
    be flags of kjo that no operator shows: a ``KJO_SERVER`` left on a worker would send its tasks to
    another cluster than their connection names. The rest stays: programs that fetch cluster
    credentials need it.
    """
    kept = {k: v for k, v in inherited.items() if not k.startswith(_KEPT_BACK)}
    return {**kept, **(extra or {})}


class Process:
    """One run of a program.

    :param argv: the program and its arguments.
    :param env: the whole environment of the child.
    :param stdin: what the child reads from its standard input, through a pipe.
    :param on_stdout: called in the calling thread with lines of its standard output, in order,
        those that shall be logged together at once. What it raises ends the run like any other
        exception.
    :param on_stderr: the same for its standard error.
    :param opens: whether a line of standard error comes before what is on standard output by now; where
        both wait, nothing else tells.
    :param kill_timeout: seconds from the request to end until SIGKILL.
    :param choose_signal: called once, in the calling thread and outside of signal handlers, when the
        child shall end: with the exception that is the reason, or None after :meth:`terminate`.
    :param orphaned: whether whoever runs this process is gone, asked a few times a second: then the
        child shall end as after :meth:`terminate`.
    :param pass_fds: descriptors that the child inherits.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: bytes,
        on_stdout: Callable[[list[str]], None],
        on_stderr: Callable[[list[str]], None],
        kill_timeout: float,
        opens: Callable[[str], bool] = lambda _: False,
        choose_signal: Callable[[BaseException | None], int] = lambda _: signal.SIGTERM,
        orphaned: Callable[[], bool] = lambda: False,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._argv = list(argv)
        self._env = dict(env)
        self._stdin = memoryview(stdin)
        self._pass_fds = list(pass_fds)
        self._outputs = ((LineBuffer(), on_stdout), (LineBuffer(), on_stderr))
        self._opens = opens
        self._kill_timeout = kill_timeout
        self._choose_signal = choose_signal
        self._orphaned = orphaned
        self._child: subprocess.Popen[bytes] | None = None
        self._wake: tuple[int, int] | None = None
        self._deadline: float | None = None
        self._signalled = False

    def terminate(self) -> None:
        """Ask for the child's end, and have :meth:`run` see to it.

        May be called from a signal handler, at any time and more than once: it neither waits, nor
        locks, nor raises.
        """
        if self._deadline is None:
            self._deadline = time.monotonic() + self._kill_timeout
        if self._wake is not None:
            with suppress(OSError):
                os.write(self._wake[1], b"!")

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
            read, write = os.pipe()
            os.set_blocking(read, False)
            os.set_blocking(write, False)
            self._wake = read, write
            self._child = self._start()
            return self._follow(self._child)
        except BaseException as error:
            self.terminate()
            self._finish(error)
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
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                pass_fds=self._pass_fds,
            )
        except OSError as error:
            raise StartError(f"{self._argv[0]} cannot be started: {error}") from error

    def _finish(self, error: BaseException) -> None:
        """Go on until the child has ended, whatever else is raised; bounded by the deadline."""
        while (child := self._child) is not None:
            # The caller raises the first exception; a further one (a second signal, a log that
            # cannot be written) changes nothing about what is left to do here.
            with suppress(BaseException):
                self._signal(child, error)
                self._follow(child)
                return
            with suppress(BaseException):
                self._kill_if_late(child)
            if self._late() and child.returncode is not None:
                return

    def _signal(self, child: subprocess.Popen[bytes], error: BaseException | None) -> None:
        if self._signalled:
            return
        number = self._choose_signal(error)
        self._signalled = True
        # To kjo alone: a program that it runs for credentials may be needed for the deletion.
        child.send_signal(number)

    def _follow(self, child: subprocess.Popen[bytes]) -> int:
        """Feed and read the child until it has ended; may be called again after an exception."""
        assert child.stdin is not None  # noqa: S101 (PIPE was asked for above)
        with selectors.DefaultSelector() as selector:
            pipes = self._register(selector, child)
            while not all(pipe.closed for pipe in pipes):
                self._give_out()
                self._heed(child)
                events = selector.select(TICK)
                for key, _ in events:
                    if key.fileobj is child.stdin:
                        self._write(child.stdin, selector)
                    elif isinstance(key.data, LineBuffer):
                        self._read(key, selector)
                    else:
                        self._drain_wake()
                if not events and child.poll() is not None:
                    # All has been read, but a program that the child started holds the pipe.
                    break
        for buffer, _ in self._outputs:
            buffer.end()
        self._give_out()
        while True:
            try:
                return child.wait(TICK)
            except subprocess.TimeoutExpired:
                self._heed(child)

    def _register(
        self, selector: selectors.BaseSelector, child: subprocess.Popen[bytes]
    ) -> list[IO[bytes]]:
        pipes = []
        for pipe, (buffer, _) in zip((child.stdout, child.stderr), self._outputs, strict=True):
            assert pipe is not None  # noqa: S101 (PIPE was asked for)
            pipes.append(pipe)
            if not pipe.closed:
                selector.register(pipe, selectors.EVENT_READ, buffer)
        if child.stdin is not None and not child.stdin.closed and self._deadline is None:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE)
        if self._wake is not None:
            selector.register(self._wake[0], selectors.EVENT_READ)
        return pipes

    def _heed(self, child: subprocess.Popen[bytes]) -> None:
        """Do what :meth:`terminate` asked for, and what comes of it in time."""
        if self._deadline is None and self._orphaned():
            self.terminate()
        if self._deadline is not None and child.poll() is None:
            self._signal(child, None)
        self._kill_if_late(child)

    def _drain_wake(self) -> None:
        if self._wake is not None:
            with suppress(BlockingIOError):
                os.read(self._wake[0], _READ)

    def _give_out(self) -> None:
        said, say = self._outputs[1]
        while (line := said.first()) is not None and self._opens(line):
            say(said.take())
        for buffer, take in self._outputs:
            while lines := buffer.take():
                take(lines)

    def _read(self, key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
        # Not by the file object: a buffered reader raises when a signal handler meets it.
        if chunk := os.read(key.fd, _READ):
            key.data.feed(chunk)
        else:
            selector.unregister(key.fileobj)
            pipe: Any = key.fileobj
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
            for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
                if pipe is not None and not pipe.closed:
                    pipe.close()
        if self._wake is not None:
            # First out of reach of a signal handler, then closed.
            wake, self._wake = self._wake, None
            for descriptor in wake:
                os.close(descriptor)

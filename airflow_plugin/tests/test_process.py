"""How the child lives and dies, without Airflow: signals, time-outs, pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_kjo import _process
from airflow_kjo._process import NotStartedError, Process, StartError, child_environment


class TaskTimeout(BaseException):
    """As AirflowTaskTimeout is: no Exception."""


CLEANS_UP = """
def clean_up(*_):
    say("deleting job")
    time.sleep(1)
    say("job deleted")
    sys.exit(143)
signal.signal(signal.SIGTERM, clean_up)
say("ready")
while True: signal.pause()
"""

IGNORES_SIGTERM = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
say("ready")
while True: signal.pause()
"""


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Process]:
    """Make a process of a Python text; its lines go to `process.lines` as well as to `on_line`."""

    def make(
        body: str,
        *,
        stdin: bytes = b"",
        on_line: Callable[[str], None] = lambda line: None,
        kill_timeout: float = 20,
        choose_signal: Callable[[BaseException | None], int] = lambda _: signal.SIGTERM,
        orphaned: Callable[[], bool] = lambda: False,
    ) -> Process:
        script = tmp_path / "child.py"
        script.write_text(
            "import os, signal, subprocess, sys, time\n"
            # Not print: a signal handler must not meet a buffered writer.
            "def say(text): os.write(1, f'{text}\\n'.encode())\n" + body
        )
        lines: list[str] = []

        errors: list[str] = []

        def note(several: list[str]) -> None:
            lines.extend(several)
            for line in several:
                on_line(line)

        made = Process(
            [sys.executable, "-IS", str(script)],
            env={},
            stdin=stdin,
            on_stdout=note,
            on_stderr=errors.extend,
            kill_timeout=kill_timeout,
            choose_signal=choose_signal,
            orphaned=orphaned,
        )
        made.lines = lines  # type: ignore[attr-defined]
        made.errors = errors  # type: ignore[attr-defined]
        return made

    return make


@pytest.fixture
def on_signal() -> Iterator[Callable[[int, Callable[[], Any]], None]]:
    """Set signal handlers for one test."""
    before = {}

    def handle(number: int, action: Callable[[], Any]) -> None:
        before[number] = signal.signal(number, lambda *_: action())

    yield handle
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_both_streams_are_read_each_in_its_order(process: Any) -> None:
    run = process("for i in range(100): os.write(1 + i % 2, f'{i}\\n'.encode())\nsys.exit(7)")
    assert run.run() == 7
    assert run.lines == [str(i) for i in range(0, 100, 2)]
    assert run.errors == [str(i) for i in range(1, 100, 2)]


def test_input_larger_than_a_pipe_while_the_child_floods_its_output(process: Any) -> None:
    body = "for _ in range(20000): print('x' * 99)\nprint(len(sys.stdin.buffer.read()), flush=True)\n"
    run = process(body, stdin=b"y" * 1_000_000)
    assert run.run() == 0
    assert run.lines[-1] == "1000000"
    assert len(run.lines) == 20001


def test_a_child_that_does_not_read_its_input_tells_why_itself(process: Any) -> None:
    run = process("os.close(0)\nsay('no')\nsys.exit(125)", stdin=b"y" * 1_000_000)
    assert run.run() == 125
    assert run.lines == ["no"]


def test_a_line_of_a_megabyte_and_bytes_that_are_not_text(process: Any) -> None:
    run = process("os.write(1, b'x' * 1000000)\nos.write(1, b'\\n\\xff\\r\\nend')")
    assert run.run() == 0
    assert run.lines == ["x" * 1_000_000, "\\xff", "end"]


def test_the_child_has_a_session_of_its_own_and_no_descriptor_of_ours(process: Any) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        run = process(
            "say(str(os.getsid(0) == os.getpid()))\n"
            "say(' '.join(sorted(os.listdir('/proc/self/fd'), key=int)))"
            if sys.platform == "linux"
            else "say(str(os.getsid(0) == os.getpid()))\nsay('0 1 2 3')"
        )
        assert run.run() == 0
    finally:
        os.close(read)
        os.close(write)
    # 3 is the listing itself.
    assert run.lines == ["True", "0 1 2 3"]


def test_the_end_by_a_signal_is_a_negative_code(process: Any) -> None:
    assert process("os.kill(os.getpid(), signal.SIGKILL)").run() == -9


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    path = tmp_path / "kjo"
    path.write_text("no interpreter line, no ELF")
    path.chmod(0o755)
    run = Process([str(path)], env={}, stdin=b"", on_stdout=print, on_stderr=print, kill_timeout=1)
    with pytest.raises(StartError, match=r"kjo cannot be started: .*Exec format error"):
        run.run()


def test_terminate_before_the_start_starts_nothing(process: Any) -> None:
    run = process("say('started')")
    run.terminate()
    run.terminate()
    with pytest.raises(NotStartedError):
        run.run()
    assert run.lines == []


def test_terminate_during_the_start_is_passed_on_after_it(
    process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.Popen

    def start(*args: Any, **kwargs: Any) -> Any:
        run.terminate()
        return real(*args, **kwargs)

    monkeypatch.setattr(_process.subprocess, "Popen", start)
    run = process("while True: signal.pause()")
    assert run.run() == -signal.SIGTERM


def test_terminate_from_a_signal_handler_lets_the_child_clean_up(process: Any, on_signal: Any) -> None:
    def on_line(line: str) -> None:
        if line == "ready":
            os.kill(os.getpid(), signal.SIGUSR1)

    run = process(CLEANS_UP, on_line=on_line)
    on_signal(signal.SIGUSR1, run.terminate)
    assert run.run() == 143
    assert run.lines == ["ready", "deleting job", "job deleted"]
    run.terminate()


def test_the_signal_is_chosen_and_sent_once_and_not_in_the_handler(process: Any, on_signal: Any) -> None:
    chosen = []

    def choose(error: BaseException | None) -> int:
        # What asks may be interrupted, and what it asks may take a lock: no place for a handler.
        chosen.append((error, signal.getsignal(signal.SIGUSR2), in_handler))
        return signal.SIGUSR1

    in_handler = []

    def handler() -> None:
        in_handler.append(True)
        for _ in range(3):
            run.terminate()
        in_handler.clear()

    def on_line(line: str) -> None:
        if line == "ready":
            os.kill(os.getpid(), signal.SIGUSR2)

    on_signal(signal.SIGUSR2, handler)
    run = process(
        "signal.signal(signal.SIGUSR1, lambda *_: (say('detached'), os._exit(121)))\n"
        "say('ready')\nwhile True: signal.pause()",
        on_line=on_line,
        choose_signal=choose,
    )
    assert run.run() == 121
    assert run.lines == ["ready", "detached"]
    assert [error for error, _, _ in chosen] == [None]
    assert chosen[0][2] == []


def test_the_exception_is_the_reason_to_choose_by(process: Any) -> None:
    seen = []

    def choose(error: BaseException | None) -> int:
        seen.append(error)
        return signal.SIGTERM

    def on_line(line: str) -> None:
        raise TaskTimeout(line)

    run = process("say('ready')\nwhile True: signal.pause()", on_line=on_line, choose_signal=choose)
    with pytest.raises(TaskTimeout) as caught:
        run.run()
    assert seen == [caught.value]


def test_an_orphan_ends_a_silent_child_in_order(process: Any) -> None:
    begun = []
    run = process(CLEANS_UP, on_line=begun.append, orphaned=lambda: bool(begun))
    assert run.run() == 143
    assert run.lines == ["ready", "deleting job", "job deleted"]


def test_a_silent_child_is_asked_at_once(process: Any, on_signal: Any) -> None:
    asked = []

    def choose(error: BaseException | None) -> int:
        asked.append(time.monotonic())
        return signal.SIGTERM

    def arm(line: str) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    fired = []
    on_signal(signal.SIGALRM, lambda: (fired.append(time.monotonic()), run.terminate()))
    run = process("say('ready')\nwhile True: signal.pause()", on_line=arm, choose_signal=choose)
    assert run.run() == -signal.SIGTERM
    # Not after the next look at the clock.
    assert asked[0] - fired[0] < _process.TICK / 2


def test_a_child_that_ignores_the_signal_is_killed_when_it_is_late(process: Any) -> None:
    run = process(IGNORES_SIGTERM, on_line=lambda _: run.terminate(), kill_timeout=0.2)
    began = time.monotonic()
    assert run.run() == -signal.SIGKILL
    assert 0.2 <= time.monotonic() - began < 10


def test_a_child_without_output_that_ignores_the_signal_is_killed_too(process: Any) -> None:
    body = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay('ready')\n"
        "os.close(1); os.close(2)\nwhile True: signal.pause()"
    )
    run = process(body, on_line=lambda _: run.terminate(), kill_timeout=0.2)
    assert run.run() == -signal.SIGKILL


@pytest.mark.parametrize("where", ["in on_line", "in select"])
def test_what_is_raised_meanwhile_waits_for_the_clean_up(
    process: Any, on_signal: Any, where: str
) -> None:
    def time_out() -> None:
        raise TaskTimeout

    def on_line(line: str) -> None:
        if line == "ready":
            if where == "in on_line":
                raise TaskTimeout
            signal.setitimer(signal.ITIMER_REAL, 0.05)

    on_signal(signal.SIGALRM, time_out)
    run = process(CLEANS_UP, on_line=on_line)
    with pytest.raises(TaskTimeout):
        run.run()
    assert run.lines == ["ready", "deleting job", "job deleted"]
    assert run._child.returncode == 143


def test_a_second_exception_does_not_cut_the_clean_up(process: Any, on_signal: Any) -> None:
    def on_line(line: str) -> None:
        if line == "ready":
            raise TaskTimeout("first")
        if line == "deleting job":
            raise OSError("the log is gone")

    run = process(CLEANS_UP, on_line=on_line)
    with pytest.raises(TaskTimeout, match="first"):
        run.run()
    assert run.lines == ["ready", "deleting job", "job deleted"]


def test_a_time_out_kills_what_ignores_the_signal(process: Any) -> None:
    def on_line(line: str) -> None:
        raise TaskTimeout

    run = process(IGNORES_SIGTERM, on_line=on_line, kill_timeout=0.2)
    with pytest.raises(TaskTimeout):
        run.run()
    assert run._child.returncode == -signal.SIGKILL


def test_lines_that_were_read_are_not_lost_by_an_exception(process: Any) -> None:
    def on_line(line: str) -> None:
        if line == "1":
            raise TaskTimeout

    run = process("os.write(1, b'1\\n2\\n3')", on_line=on_line)
    with pytest.raises(TaskTimeout):
        run.run()
    assert run.lines == ["1", "2", "3"]


def test_the_end_of_a_half_written_manifest_is_never_seen(process: Any) -> None:
    def on_line(line: str) -> None:
        raise TaskTimeout

    body = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay('ready')\n"
        "say(str(len(sys.stdin.buffer.read())))"
    )
    run = process(body, on_line=on_line, stdin=b"x" * 1_000_000, kill_timeout=0.5)
    with pytest.raises(TaskTimeout):
        run.run()
    assert run._child.returncode == -signal.SIGKILL
    assert run.lines == ["ready"]


def test_a_program_that_the_child_leaves_behind_does_not_hold_the_task(process: Any) -> None:
    body = (
        "left = subprocess.Popen(['sleep', '60'], stdin=subprocess.DEVNULL)\n"
        "say(str(left.pid))\nos._exit(3)"
    )
    run = process(body)
    try:
        assert run.run() == 3
    finally:
        os.kill(int(run.lines[0]), signal.SIGKILL)


def test_the_kill_takes_the_whole_session(process: Any, tmp_path: Path) -> None:
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    body = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"held = os.open({str(fifo)!r}, os.O_WRONLY)\n"
        "subprocess.Popen(['sleep', '60'], stdin=subprocess.DEVNULL, stdout=held)\n"
        "say('ready')\nwhile True: signal.pause()"
    )
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        run = process(body, on_line=lambda _: run.terminate(), kill_timeout=0.2)
        assert run.run() == -signal.SIGKILL
        os.set_blocking(reading, True)
        began = time.monotonic()
        # The end of the file comes when everybody who held it is gone.
        assert os.read(reading, 1) == b""
        assert time.monotonic() - began < 30
    finally:
        os.close(reading)


def test_the_environment_without_airflows_secrets() -> None:
    inherited = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "secret",
        "_AIRFLOW_PROCESS_CONTEXT": "server",
        "KJO_SERVER": "https://elsewhere",
        "AIRFLOW_CTX_DAG_ID": "d",
        "AIRFLOW_HOME": "/h",
        "PATH": "/bin",
        "A": "1",
    }
    assert child_environment(inherited, {"A": "2", "B": "3", "KJO_VERBOSE": "true"}) == {
        "AIRFLOW_CTX_DAG_ID": "d",
        "AIRFLOW_HOME": "/h",
        "PATH": "/bin",
        "A": "2",
        "B": "3",
        "KJO_VERBOSE": "true",
    }
    assert child_environment({"A": "1"}) == {"A": "1"}


def test_what_opens_comes_before_output_that_waits_with_it() -> None:
    said: list[str] = []
    process = Process(
        ["never-run"],
        env={},
        stdin=b"",
        on_stdout=said.extend,
        on_stderr=said.extend,
        kill_timeout=20,
        opens=lambda line: line.startswith("opening"),
    )
    # Both pipes have been read before anything is given out, as it is when the log is slow.
    (output, _), (messages, _) = process._outputs
    output.feed(b"output\n")
    messages.feed(b"opening 1\nopening 2\nclosing\nopening 3\n")
    process._give_out()
    assert said == ["opening 1", "opening 2", "output", "closing", "opening 3"]

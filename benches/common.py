"""What the benches share: kubectl, namespaces, measuring a child, medians and tables."""

import contextlib
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
MUSL = os.path.join(ROOT, "target", "x86_64-unknown-linux-musl", "release", "kjo")
RELEASE = os.path.join(ROOT, "target", "release", "kjo")
# The static binary is what the packages hold.
KJO = os.path.relpath(MUSL if os.path.exists(MUSL) else RELEASE)


def kubectl(*args, text=None, fails=True):
    """What kubectl prints; its failure ends the bench."""
    run = subprocess.run(["kubectl", *args], input=text, capture_output=True, text=True, check=False)
    if run.returncode and fails:
        sys.exit(f"kubectl {' '.join(args)}: {run.stderr.strip()}")
    return run.stdout


def kubectl_version():
    """The version of kubectl itself."""
    return json.loads(kubectl("version", "--client", "-o", "json"))["clientVersion"]["gitVersion"]


@contextlib.contextmanager
def namespace(name="kjo-bench"):
    """A namespace that is new, can hold pods, and is deleted at the end."""
    kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=true")
    kubectl("create", "namespace", name)
    deadline = time.monotonic() + 30
    while not kubectl("get", "serviceaccount", "-n", name, "-o", "name") and time.monotonic() < deadline:
        time.sleep(0.2)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false", fails=False)


def peak(pid):
    """The most memory that this process has had so far, in KiB; 0 when it is over."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def measured(command, codes=(0,), env=None):
    """CPU seconds, peak memory in MiB, wall seconds, lines and hash of stdout of one child."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=err, env=env)
        # Not ru_maxrss: that counts this interpreter too, which the child is forked from.
        memory = 0
        while True:
            memory = max(memory, peak(child.pid))
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.005)
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in codes:
            err.seek(0)
            sys.exit(f"{command}: exit code {child.returncode}: {err.read().decode(errors='replace')}")
        out.seek(0)
        digest, lines = hashlib.sha256(), 0
        while chunk := out.read(1 << 20):
            digest.update(chunk)
            lines += chunk.count(b"\n")
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": memory / 1024,
        "wall": wall,
        "lines": lines,
        "hash": digest.hexdigest(),
        "began": began,
        "ended": began + wall,
    }


def median(runs, key):
    """The median of one figure over runs."""
    return statistics.median(run[key] for run in runs)


def in_turn(rounds, commands):
    """Each of `commands` (name: function without arguments that returns figures) `rounds` times, in turn, so that all meet the same moments of the machine."""
    runs = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(command())
    return runs


def table(head, rows):
    """Prints a Markdown table."""
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    for number, row in enumerate([head, *rows]):
        print("| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def keep(name, figures):
    """Keeps figures for benches/plot."""
    folder = os.path.join(ROOT, "target", "bench")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump(figures, file, indent=1)

"""The curves of docs/benchmarks.md; run by benches/plot."""

import json
import os

import matplotlib

matplotlib.use("svg")
# The same figures make the same file.
matplotlib.rcParams.update({"svg.hashsalt": "kjo", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
from matplotlib import pyplot  # noqa: E402

from common import ROOT  # noqa: E402

OUT = os.path.join(ROOT, "docs", "img")


def draw(name, along, what, labels, title):
    """One line for each program: `what` over `along`."""
    with open(os.path.join(ROOT, "target", "bench", f"{name}.json"), encoding="utf-8") as file:
        figures = json.load(file)
    figure, axes = pyplot.subplots(figsize=(5.2, 3))
    for program in dict.fromkeys(one["name"] for one in figures):
        points = sorted((one[along], one[what]) for one in figures if one["name"] == program)
        axes.plot(*zip(*points), marker="o", markersize=3, label=program)
    axes.set(xlabel=labels[0], ylabel=labels[1], title=title, xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    os.makedirs(OUT, exist_ok=True)
    path = os.path.join(OUT, f"{name}-{what}.svg")
    figure.savefig(path, metadata={"Date": None})
    print(os.path.relpath(path))


draw("logs", "lines", "cpu", ("lines of log", "CPU seconds"), "Reading one pod's log")
draw("logs", "lines", "memory", ("lines of log", "peak memory, MiB"), "Reading one pod's log")
draw("pods", "pods", "memory", ("pods of one Job", "peak memory, MiB"), "Following one Job of many pods")
draw("pods", "pods", "cpu", ("pods of one Job", "CPU seconds"), "Following one Job of many pods")

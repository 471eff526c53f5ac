#!/usr/bin/env python3
"""Measures what docs/performance.md quotes, and prints its tables: scripts/bench.py HANSARD. On a machine that does nothing else.

TURNS=3 of the standard load, whose medians are printed; SECONDS_EACH=10 of each load.
BESIDE='a command that runs another system': it is run in turns with the standard load, and ours is divided by what it says,
be it `name: value` or a table with one row. LARGE=1: also a million rooms and ten million stored messages, which takes half an hour."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile

HANSARD = sys.argv[1]
TURNS = int(os.environ.get("TURNS") or 3)
SECONDS = int(os.environ.get("SECONDS_EACH") or 10)
STANDARD = "append --rooms 64 --publishers 64 --inflight 32 --bytes 200"
NUMBER = r"(\d[\d,]*(?:\.\d+)?)"

# Figures of an append: in the report, what the table calls them, digits behind the point.
FIGURES = [
    ("server_cpu_us_per_message", "server CPU us per message", 1),
    ("client_cpu_us_per_message", "of the load itself", 1),
    ("rate", "acked per second", 0),
    ("ack_p50_ms", "p50 ms", 2),
    ("ack_p99_ms", "p99 ms", 2),
    ("written_bytes_per_message", "bytes written per message", 0),
    ("messages_per_flush", "messages per device flush", 1),
]
# What another system's load may call those that are compared; seconds per million are microseconds each.
NAMES = {
    "server_cpu_us_per_message": ["server_cpu_us_per_message", "srv_cpu_s_per_1m", "server CPU us per message",
                                  "server CPU s/1M"],
    "rate": ["rate", "acked per second", "msgs/s"],
    "ack_p99_ms": ["ack_p99_ms", "p99_ms", "p99 ms"],
}
# What else is measured: what, the load, and what is told of its report.
OTHERS = [
    ("pages of 100, 32 readers, 64 rooms of 2,000 messages", "history --rooms 64 --messages 2000",
     "{pages_per_second:,.0f} pages/s, server CPU {server_cpu_us_per_page:,.0f} us a page, p50 {forwards_p50_ms:.1f} and "
     "p99 {forwards_p99_ms:.1f} ms forwards, {backwards_p50_ms:.1f} and {backwards_p99_ms:.1f} ms backwards"),
    ("a node that lost its disk, 1,500,000 messages, 2,000 more a second", "recovery --messages 1500000 --rate 2000",
     "{rate:,.0f} messages/s; p99 of an ack {before_ack_p99_ms:.0f} ms before, {during_ack_p99_ms:.0f} ms during"),
    ("silence of a killed leader's rooms", "failover --kills 6",
     "p50 {led_silence_p50_ms:.0f}, p99 {led_silence_p99_ms:.0f} ms; the others p50 {other_silence_p50_ms:.0f}, "
     "p99 {other_silence_p99_ms:.0f} ms"),
    ("fan-out, 200 followers, 20 messages/s", "fanout --followers 200 --rate 20",
     "p50 {delivery_p50_ms:.1f}, p99 {delivery_p99_ms:.1f} ms, server CPU {server_cpu_us_per_delivery:.1f} us a delivery"),
    ("500 idle sessions", "connect --sessions 500",
     "{rss_bytes_per_session:,.0f} bytes of server memory each, {rate:,.0f} connects/s"),
]


def load(arguments):
    """The report of a load on a cluster of its own. One that lost something ends all."""
    # On the real disk of the checkout: a file system in memory has nothing to sync.
    with tempfile.TemporaryDirectory(prefix="bench.", dir=".") as data:
        command = [HANSARD, "load", *arguments.split(), "--dev", "--data", data, "--output", "json"]
        if "--seconds" not in command:
            command += ["--seconds", str(SECONDS)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr}bench: {' '.join(command)} failed")
    report = json.loads(done.stdout)
    # Of all nodes together. Both are counted in one span of time, which is longer than that of the rate.
    if report.get("fsyncs_per_second") and "messages" in report:
        report["messages_per_flush"] = report["messages"] / (report["fsyncs_per_second"] * report["measured_seconds"])
    return report


def beside(command):
    """What another system's load says of itself, by our names. It goes to the terminal, too."""
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, text=True)
    sys.stderr.write(done.stdout)
    if done.returncode != 0:
        sys.exit(f"bench: it failed: {command}")
    found = {name: figure(done.stdout, aliases) for name, aliases in NAMES.items()}
    return {name: value for name, value in found.items() if value is not None}


def figure(said, aliases):
    """The median of all `name: value` there, else what the first row of a table has below that name."""
    values = [found for name in aliases for found in re.findall(rf"(?<!\w){re.escape(name)}[\"']?[:=]? ?{NUMBER}", said)]
    if values:
        return statistics.median(map(number, values))
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in said.splitlines() if row.startswith("|")]
    for at, titles in enumerate(rows):
        column = next((titles.index(name) for name in aliases if name in titles), None)
        if column is not None:
            below = [re.match(NUMBER, row[column]) for row in rows[at + 1 :] if len(row) == len(titles)]
            return next((number(found[1]) for found in below if found), None)
    return None


def number(text):
    return float(text.replace(",", ""))


def cell(values, digits):
    """The median, and the least and the most where there are several."""
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    text = f"{statistics.median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def line(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def head(*cells):
    line(*cells)
    print("|" + "---|" * len(cells), flush=True)


def append(what, reports):
    figures = [cell([report.get(name) for report in reports], digits) for name, _, digits in FIGURES]
    broken = [str(sum(report[name] for report in reports)) for name in ("lost", "duplicated", "reordered")]
    line(what, *figures, ", ".join(broken))


def compare(ours, theirs):
    print("\nMedians of turns:\n")
    head("", "ours", "the other's", "ratio")
    for name, title, digits in FIGURES:
        here, there = ([report[name] for report in reports if report.get(name)] for reports in (ours, theirs))
        if here and there:
            ratio = statistics.median(here) / statistics.median(there)
            line(title, cell(here, digits), cell(there, digits), f"{ratio:.2f}")


def memory(what, report):
    """Of each node, at the end of what was measured."""
    nodes = [process["rss_bytes"] / 1e6 for process in report["processes"] if process["name"].startswith("node")]
    line(f"memory of a node {what}", f"{cell(nodes, 0)} MB")


def main():
    head("load", *(title for _, title, _ in FIGURES), "lost, doubled, reordered")
    command = os.environ.get("BESIDE")
    ours, theirs = [], []
    for _ in range(TURNS):
        ours.append(load(STANDARD))
        theirs += [beside(command)] if command else []
    append("standard: 64 rooms, 64 publishers, 32 in flight", ours)
    minutes = load(f"{STANDARD} --warmup 60 --seconds 60")
    append("standard, the second minute of a cluster", [minutes])
    append("one publisher, one in flight", [load("append --rooms 1 --publishers 1 --inflight 1 --bytes 200")])
    append("48 shards", [load(f"{STANDARD} --shards 48")])
    if os.environ.get("LARGE"):
        # The rows of what was stored are compacted once, when flushes follow: in the warm-up.
        append("beside 1,000,000 rooms", [load(f"{STANDARD} --preload-rooms 1000000 --warmup 60")])
        append("beside 10,000,000 messages", [load(f"{STANDARD} --preload-messages 10000000 --warmup 60")])
        append("standard, at the end", [load(STANDARD)])
    if command:
        compare(ours, theirs)
    print()
    head("load", "figure")
    for what, arguments, template in OTHERS:
        report = load(arguments)
        line(what, template.format(**report))
    memory("at rest, with those sessions", report)
    memory("after two minutes of the standard load", minutes)


# Ctrl-C ends the load that runs, which stops its cluster in order. That it did not pass ends all.
signal.signal(signal.SIGINT, lambda *_: None)
main()

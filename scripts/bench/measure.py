"""Measures one case at one server, once: the load, and what it cost the server."""

import json
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from plan import FILES, FOLDERS, KERNEL, PAUSE_MS, SIZES, MiB
from processes import Counters, kernel_tls_connections, pinned, resident_kib

HERE = Path(__file__).parent
LATENCIES = ("mean", "p50", "p75", "p90", "p99")


class Failed(Exception):
    """Says why a measurement can't be used."""


@dataclass
class Run:
    """What the client says."""

    requests: int
    seconds: float
    bytes: int
    latency_us: dict


def run_load(bench, case, endpoint, seconds):
    """Throws Failed if anything but the right responses came."""
    if case.load.kind in ("full", "resumed"):
        arguments = [bench.programs["connections"], "-t", "-p", endpoint.port, "-u", endpoint.path,
                     "-s", SIZES[case.size], "-c", case.load.threads, "-d", seconds]
        arguments += ["-r"] if case.load.kind == "resumed" else []
    else:
        arguments = [bench.programs["wrk"], "-t", case.load.threads, "-c", case.load.connections, "-d", seconds,
                     "--latency", "-s", HERE / "wrk.lua"]
        arguments += ["-H", "Connection: close"] if case.load.kind == "close" else []
        for field in endpoint.fields:
            arguments += ["-H", field]
        arguments += [endpoint.url]
    wishes = {}  # to wrk.lua
    if case.load.kind == "paced":
        wishes = {"PAUSE_MS": str(PAUSE_MS)}
    elif case.load.kind == "files":
        wishes = {"FILES": str(FILES), "FOLDERS": str(FOLDERS), "DRAW": case.load.draw}
    result = subprocess.run(pinned(arguments, bench.client_cpus), env=bench.client_environment | wishes,
                            capture_output=True, text=True)
    try:
        said = json.loads(result.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failed(f"the client failed: {(result.stderr or result.stdout).strip()[-300:]}") from None
    run = Run(said.pop("requests"), said.pop("seconds"), said.pop("bytes"), {k: said.pop(k) for k in LATENCIES})
    if case.load.draw == "missing":
        # wrk.lua has seen to it that all of them are 404.
        said["status"] -= run.requests
    errors = [f"{count} {what}" for what, count in said.items() if count]
    if errors:
        raise Failed(f"the client counts errors: {', '.join(errors)} in {run.requests} requests")
    if run.requests == 0:
        raise Failed("not one response in the time")
    # wrk does not look at the content; at least its length must be right. What is under way at the end may be missing.
    in_flight = case.load.connections * endpoint.response_bytes
    if not -1024 <= run.bytes - run.requests * (endpoint.response_bytes - 32) <= in_flight + run.requests * 64:
        raise Failed(f"{run.bytes} bytes for {run.requests} responses of {endpoint.response_bytes} bytes")
    return run


def measure(bench, case, endpoint, seconds):
    """One measurement, as a row of figures. Throws Failed."""
    process = endpoint.process
    pids = process.pids
    offloaded = kernel_tls_connections()
    before = Counters.read(pids)
    run = run_load(bench, case, endpoint, seconds)
    spent = Counters.read(pids) - before
    offloaded = kernel_tls_connections() - offloaded if offloaded is not None else None
    _prove(case, run, offloaded)
    # Responses that were under way when time was up cost the server, too: bytes count them, requests don't.
    requests = run.bytes / endpoint.response_bytes if case.load.keeps_alive else run.requests
    ticks = spent.user_ticks + spent.system_ticks
    return {
        "requests": run.requests,
        "requests_per_second": run.requests / run.seconds,
        "mib_per_second": run.bytes / MiB / run.seconds,
        **{f"{name}_us": value for name, value in run.latency_us.items()},
        "cpu_us_per_request": spent.cpu_ns / 1000 / requests,
        "cpu_us_per_mib": spent.cpu_ns / 1000 / (run.bytes / MiB),
        "server_cpu_percent": spent.cpu_ns / 1e7 / run.seconds,
        "server_wait_percent": spent.wait_ns / 1e7 / run.seconds,
        "kernel_percent": 100 * spent.system_ticks / ticks if ticks else None,
        "switches_per_1000": 1000 * spent.switches / requests,
        "faults_per_1000": 1000 * spent.faults / requests,
        "rss_kib": resident_kib(pids),
        "kernel_tls_connections": offloaded,
    }


def _prove(case, run, offloaded):
    """Kernel TLS has to be seen in the kernel's own count, user TLS must not be."""
    connections = run.requests if case.load.kind in ("full", "resumed") else case.load.connections
    if case.transport in KERNEL and not (offloaded or 0) >= connections:
        raise Failed(f"no proof of kernel TLS: TlsTxSw rose by {offloaded} for {connections} connections")
    if case.transport == "user" and offloaded:
        raise Failed(f"this was not user TLS: TlsTxSw rose by {offloaded}")


def count_system_calls(bench, case, endpoint):
    """How many of each system call a request takes, under strace: a run of its own, since that slows the server."""
    pids = endpoint.process.pids
    table = bench.work / "strace"
    arguments = ["strace", "-f", "-c", "-o", str(table)]
    for pid in pids:
        arguments += ["-p", str(pid)]
    strace = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    try:
        # It says so for each process that it attaches to; then it is ready.
        for _ in pids:
            line = strace.stderr.readline()
            if "attached" not in line:
                raise Failed(f"strace can't attach: {line.strip()}")
        run = run_load(bench, case, endpoint, 1)
    finally:
        if strace.poll() is None:
            strace.send_signal(signal.SIGINT)
        strace.communicate()
    calls = {}
    for line in table.read_text().splitlines():
        row = re.fullmatch(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)", line)
        if row and row[2] != "total":
            calls[row[2]] = int(row[1]) / run.requests
    return calls


def count_hardware_events(bench, case, endpoint):
    """Cycles, instructions and so on per request, by perf. Throws Failed where the machine counts none."""
    if "perf" not in bench.programs:
        raise Failed("perf is not installed")
    output = bench.work / "perf"
    pids = ",".join(map(str, endpoint.process.pids))
    perf = subprocess.Popen(["perf", "stat", "-d", "-x", ";", "-o", str(output), "-p", pids],
                            stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        if perf.poll() is not None:
            raise Failed(f"perf failed: {perf.stderr.read().strip()[:200]}")
        run = run_load(bench, case, endpoint, 1)
    finally:
        if perf.poll() is None:
            perf.send_signal(signal.SIGINT)
        perf.communicate()
    events = {}
    for line in output.read_text().splitlines():
        value, _, name, *_ = [*line.split(";"), "", "", ""]
        if re.fullmatch(r"[\d.]+", value):
            events[name] = float(value) / run.requests
    if not any(name.startswith(("cycles", "instructions")) for name in events):
        raise Failed("not supported by this machine (a virtual machine without a PMU, most likely)")
    return events

"""What the benchmark runs on: CPUs to pin to, and the facts for the head of the report."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path


def choose_cpus():
    """One CPU for the servers; for the clients all that do not share its core. Both empty if there is but one."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        return [], []
    server = cpus[-1]
    siblings = _cpu_list(_read(f"/sys/devices/system/cpu/cpu{server}/topology/thread_siblings_list"))
    return [server], [cpu for cpu in cpus if cpu not in siblings | {server}] or [c for c in cpus if c != server]


def _cpu_list(text):
    cpus = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus |= set(range(int(first), int(last or first) + 1))
    return cpus


def busy_percent(seconds=1.0):
    """How busy the machine's CPUs are with other things just now, and how much of them the hypervisor takes away."""
    def read():
        return [int(x) for x in _read("/proc/stat").splitlines()[0].split()[1:9]]
    first = read()
    time.sleep(seconds)
    spent = [b - a for a, b in zip(first, read())]
    total = sum(spent) or 1
    # proc(5): user, nice, system, idle, iowait, irq, softirq, steal.
    return 100 * (total - spent[3] - spent[4]) / total


def steal_ticks():
    """Time that the hypervisor gave to others, of all CPUs, in ticks."""
    return int(_read("/proc/stat").splitlines()[0].split()[8])


def describe(programs, server_cpus, client_cpus):
    cpu = re.search(r"^model name\s*:\s*(.*)$", _read("/proc/cpuinfo"), re.M)
    release = re.search(r'^PRETTY_NAME="?(.*?)"?$', _read("/etc/os-release"), re.M)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": f"{cpu[1] if cpu else platform.machine()}, {len(os.sched_getaffinity(0))} CPUs",
        "hypervisor": bool(re.search(r"^flags\s*:.*\bhypervisor\b", _read("/proc/cpuinfo"), re.M)),
        "kernel": platform.release(),
        "system": release[1] if release else platform.system(),
        "openssl": _first_line(["openssl", "version"]),
        # BBR paces what is sent, on loopback, too: its timers cost both sides.
        "tcp": _read("/proc/sys/net/ipv4/tcp_congestion_control").strip() or "unknown",
        "server_cpus": server_cpus,
        "client_cpus": client_cpus,
        "versions": {name: version(name, path) for name, path in programs.items()},
    }


def version(name, path):
    """As the program says it; empty if it says none."""
    long = "--version"
    flags = {"nginx": "-v", "lighttpd": "-v", "h2o": long, "wrk": "-v", "valgrind": long, "perf": long}
    if name not in flags:
        return ""
    found = re.search(r"\d+\.\d+[\w.\-]*", _first_line([path, flags[name]]))
    return found[0] if found else ""


def _first_line(command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except OSError:
        return "unknown"
    return ((result.stdout or result.stderr).strip().splitlines() or ["unknown"])[0]


def _read(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""

"""Processes that the benchmark starts, and what the kernel counts of them."""

import os
import resource
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, fields
from pathlib import Path


class Process:
    """A server, pinned to CPUs. Ends with `stop`; what it prints goes to a log."""

    def __init__(self, arguments, log, cpus, environment=None):
        self.name = Path(arguments[0]).name
        self.log = log
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                pinned(arguments, cpus), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=environment, start_new_session=True)

    def wait_for(self, ports, seconds=60):
        """Until it listens on the ports. In the lab a start takes seconds."""
        deadline = time.monotonic() + seconds
        for port in ports:
            while not is_open(port):
                if self.popen.poll() is not None or time.monotonic() > deadline:
                    last = self.log.read_text(errors="replace").strip()[-500:]
                    raise RuntimeError(f"{self.name} does not listen on port {port}: {last or 'it says nothing'}")
                time.sleep(0.05)

    @property
    def pids(self):
        """Its own, and those of its workers (h2o has a helper of another name, which serves nobody)."""
        parents, names = {}, {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    name, _, rest = (entry / "stat").read_text().partition(" (")[2].rpartition(") ")
                except OSError:
                    continue
                names[int(entry.name)] = name
                parents[int(entry.name)] = int(rest.split()[1])
        found = [self.popen.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid and names[child] == names[pid]]
        return found

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.popen.pid, signal.SIGKILL)
                self.popen.wait()


def pinned(arguments, cpus):
    return ["taskset", "-c", ",".join(map(str, cpus)), *map(str, arguments)] if cpus else list(map(str, arguments))


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count):
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def most_files():
    """How many files each of the servers may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@dataclass
class Counters:
    """What the kernel has counted of some processes until now, all their threads together."""

    cpu_ns: int = 0  # time on a CPU; in the lab: instructions
    wait_ns: int = 0  # time that it could have run, had others not had its CPU
    user_ticks: int = 0
    system_ticks: int = 0
    switches: int = 0
    faults: int = 0

    @classmethod
    def read(cls, pids):
        total = cls()
        for pid in pids:
            # proc(5): the fields after the command's name, which may hold anything.
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total.faults += int(stat[7]) + int(stat[9])
            total.user_ticks += int(stat[11])
            total.system_ticks += int(stat[12])
            for task in Path(f"/proc/{pid}/task").iterdir():
                schedstat = (task / "schedstat").read_text().split()
                total.cpu_ns += int(schedstat[0])
                total.wait_ns += int(schedstat[1])
                for line in (task / "status").read_text().splitlines():
                    if "_ctxt_switches" in line:
                        total.switches += int(line.split()[1])
        return total

    def __sub__(self, other):
        return Counters(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


def resident_kib(pids):
    return sum(_size(f"/proc/{pid}/status", "VmRSS:") for pid in pids)


def proportional_kib(pids):
    """PSS: resident memory, shared pages divided among those who share them."""
    return sum(_size(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids)


def slab_kib():
    """What the kernel holds of its own structures, for the whole machine."""
    return _size("/proc/meminfo", "Slab:")


def _size(path, label):
    for line in Path(path).read_text().splitlines():
        if line.startswith(label):
            return int(line.split()[1])
    return 0


def kernel_tls_connections():
    """How many connections the kernel has encrypted in software so far (TlsTxSw); None if it has no kernel TLS."""
    try:
        for line in Path("/proc/net/tls_stat").read_text().splitlines():
            if line.startswith("TlsTxSw "):
                return int(line.split()[1])
    except FileNotFoundError:
        pass
    return None

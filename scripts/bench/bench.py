"""Runs the benchmark and writes its figures to report.json. Started by scripts/bench.sh, which makes all it needs."""

import argparse
import json
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import machine
import probes
from files import make_files
from measure import Failed, count_hardware_events, count_system_calls, measure, run_load
from plan import ALL, FILES, HELD, KERNEL, TEN, TRANSPORTS, Case, make_plan
from processes import kernel_tls_connections
from servers import (FILE_PEERS, PEERS, Bench, Floor, Nginx, Sluice, Unavailable, check, check_files,
                     find_program, large_cache)

started = time.monotonic()


def progress(text):
    print(f"{time.monotonic() - started:5.0f} s  {text}", file=sys.stderr, flush=True)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sluice", type=Path, required=True)
    parser.add_argument("--tools", type=Path, required=True, help="the folder of floor, connections and certificates")
    parser.add_argument("--out", type=Path, help="a folder for report.json, instead of standard output")
    parser.add_argument("--command", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--rounds", type=int)
    for flag in ("--peers", "--quick", "--lab", "--files", "--idle"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


def peers(arguments):
    return ([Nginx] if arguments.lab else PEERS) if arguments.peers else []


def make_bench(arguments, work):
    """Copies what is started: in the lab, everything outside /tmp is slow to read."""
    wanted = {"sluice": arguments.sluice, "floor": arguments.tools / "floor",
              "connections": arguments.tools / "connections",
              "slow-disk": arguments.tools / "slow-disk", "wrk": find_program("wrk")}
    wanted |= {kind.name: find_program(kind.name) for kind in peers(arguments)}
    programs = {name: shutil.copy2(path, work / name) for name, path in wanted.items() if path}
    if not arguments.lab:
        programs |= {name: find_program(name) for name in ("perf", "valgrind") if find_program(name)}
    for file in ("ca.pem", "localhost.pem", "localhost.key"):
        shutil.copy2(arguments.tools / file, work)
    servers, clients = machine.choose_cpus()
    return Bench(work, programs, servers, clients, kernel_tls_connections() is not None)


class Benchmark:
    def __init__(self, arguments, bench):
        self.arguments = arguments
        self.bench = bench
        self.plan = make_plan(arguments.lab, arguments.quick, arguments.peers, arguments.files, arguments.idle,
                              arguments.rounds)
        self.kinds = [Floor, Sluice] + peers(arguments) if self.plan.cases or self.plan.held else []
        self.file_kinds = [Sluice] + FILE_PEERS * arguments.peers if self.plan.file_cases else []
        self.servers = []
        self.rows = {}  # case and server's name: row
        self.probes = {}
        self.refused = {}  # server's name: why

    def run(self):
        for kind in self.kinds:
            server = kind(self.bench)
            self.servers.append(server)
            self.start(server)
        if self.plan.probes:
            self.probe_memory()
        for held in self.plan.held:
            self.probe_memory(held)
        for number in range(self.plan.rounds):
            for case in self.plan.cases:
                self.measure_case(number, case, self.working())
        for case in self.plan.cases:
            if case.load in self.plan.counts or (case.load is TEN and case.size == "1 KiB"):
                self.count(case, self.working())
        if self.plan.probes:
            self.probe_instructions()
        if self.plan.long_probes:
            self.probe_at_length()
        if self.plan.file_cases:
            self.measure_files()

    def start(self, server):
        """Starts the server and refuses it if it sends other bytes than those of the file."""
        try:
            server.start()
            if self.plan.cases:
                check(self.bench, server, self.plan.cases)
                progress(f"{server.name}: started, every byte is right")
        except RuntimeError as error:
            self.refused[server.name] = str(error)
            progress(f"{server.name}: NOT MEASURED: {error}")

    def working(self):
        return [s for s in self.servers if s.name not in self.refused]

    def row(self, case, server):
        key = (str(case), server.name)
        if key not in self.rows:
            self.rows[key] = {"transport": case.transport, "size": case.size, "load": case.load.name,
                              "kind": case.load.kind, "threads": case.load.threads,
                              "connections": case.load.connections, "server": server.name,
                              "rounds": [], "failed": None, "unavailable": False}
        return self.rows[key]

    def measure_case(self, number, case, servers):
        """Another one first in each round."""
        said = []
        shift = number % max(1, len(servers))
        for server in servers[shift:] + servers[:shift]:
            row = self.row(case, server)
            if row["failed"]:
                continue
            try:
                endpoint = server.endpoint(case)
                # Files that were asked for otherwise in between have to find their places in the caches again.
                if self.plan.warm_up and (number == 0 or case.load.kind == "files"):
                    run_load(self.bench, case, endpoint, self.plan.warm_up)
                measured = measure(self.bench, case, endpoint, self.plan.seconds_of(case))
                row["rounds"].append(measured)
                said.append(f"{server.name} {measured['cpu_us_per_request']:.1f}")
            except (Failed, Unavailable) as reason:
                self.fail(row, reason)
                if isinstance(reason, Failed):
                    progress(f"FAILED: {server.name}, {case}: {reason}")
        if said:
            unit = "thousand instructions" if self.arguments.lab else "us of CPU"
            progress(f"round {number + 1} of {self.plan.rounds}: {case}: {', '.join(said)} {unit} a request")

    def fail(self, row, reason):
        row["failed"], row["unavailable"] = str(reason), isinstance(reason, Unavailable)

    def count(self, case, servers):
        for server in servers:
            row = self.row(case, server)
            if row["failed"] or self.arguments.lab:
                continue
            for name, function in (("system_calls", count_system_calls), ("hardware", count_hardware_events)):
                if name in self.probes:
                    continue
                try:
                    row[name] = function(self.bench, case, server.endpoint(case))
                except Failed as reason:
                    # What the machine can't do once, it can never.
                    self.probes.setdefault(name, str(reason))
                progress(f"{name.replace('_', ' ')}: {case}, {server.name}")

    def probe(self, name, function, *arguments):
        try:
            self.probes[name] = function(self.bench, *arguments)
        except (Failed, Unavailable, RuntimeError) as reason:
            self.probes[name] = {"failed": str(reason)}
        progress(f"{name}: {self.probes[name]}")

    def probe_memory(self, held=HELD):
        for server in [s for s in self.working() if s.name != "floor"]:
            for transport in TRANSPORTS:
                if transport not in KERNEL or self.bench.kernel_tls and transport in server.kernel_transports:
                    self.probe(f"idle {transport} {server.name} {held}", probes.idle_memory, server, transport, held)

    def sluice(self):
        return next((s for s in self.working() if s.name == "sluice"), None)

    def probe_instructions(self):
        if self.sluice():
            self.probe("user instructions", lambda *a: {"per_request": probes.user_instructions(*a)}, self.sluice())

    def probe_at_length(self):
        if self.sluice():
            for name, function in (("crowd", probes.crowd), ("two workers", probes.two_workers)):
                self.probe(name, function, self.sluice(), self.plan.rounds, self.plan.seconds)

    def measure_files(self):
        """The large working set: servers of their own, with a site of their own, in rounds of their own."""
        site = self.bench.work / "files"
        make_files(site)
        progress(f"{FILES} files made")
        servers = []
        for kind in self.file_kinds:
            server = kind(self.bench, site)
            self.servers.append(server)
            try:
                server.start(kernel=False)
                check_files(self.bench, server, self.plan.file_cases)
                self.fetch_all(server)
                servers.append(server)
                progress(f"{server.name}: has read all files")
            except (Failed, RuntimeError, Unavailable) as reason:
                for case in self.plan.file_cases:
                    self.fail(self.row(case, server), reason)
                progress(f"{server.name}: NOT MEASURED WITH FILES: {reason}")
        # Once for all: the kernel then knows of the names that don't exist, whoever is asked for them first.
        if servers:
            missing = self.plan.file_cases[-1]
            run_load(self.bench, missing, servers[0].endpoint(missing), 4)
        for number in range(self.plan.rounds):
            for case in self.plan.file_cases:
                self.measure_case(number, case, servers)
        if self.plan.counts:
            for case in self.plan.file_cases:
                self.count(case, servers)
        self.probe("crawler", probes.crawler, Sluice(self.bench, site))
        site = self.bench.work / "disk"
        site.mkdir()
        self.probe("disk", probes.disk, Sluice(self.bench, site), self.plan.rounds, self.plan.seconds)

    def fetch_all(self, server):
        case = Case("plain", self.plan.file_cases[0].size, ALL)
        for seconds in (2, 4, 8, 16, 32):
            if run_load(self.bench, case, server.endpoint(case), seconds).requests >= FILES:
                return
        raise Failed(f"has not read {FILES} files in 32 seconds")

    def result(self):
        for row in self.rows.values():
            if row["rounds"] and not row["failed"]:
                row["median"] = {name: median([r[name] for r in row["rounds"]]) for name in row["rounds"][0]}
        return {"rows": list(self.rows.values()), "probes": self.probes, "refused": self.refused}

    def stop(self):
        for server in self.servers:
            server.stop()


def median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def allow_many_files():
    """For servers with 10,000 connections; more than enough is no use."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard >= 0 else 65536, hard))


def main():
    arguments = read_arguments()
    allow_many_files()
    busy = machine.busy_percent()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        bench = make_bench(arguments, Path(folder))
        facts = machine.describe(bench.programs, bench.server_cpus, bench.client_cpus)
        benchmark = Benchmark(arguments, bench)
        stolen = machine.steal_ticks()
        try:
            benchmark.run()
        finally:
            benchmark.stop()
        facts |= {"commit": arguments.commit, "command": arguments.command, "busy_percent": busy,
                  "stolen_ticks": machine.steal_ticks() - stolen, "kernel_tls": bench.kernel_tls,
                  "duration_s": time.monotonic() - started}
        plan = {"lab": arguments.lab, "quick": arguments.quick, "peers": arguments.peers,
                "rounds": benchmark.plan.rounds, "seconds": benchmark.plan.seconds,
                "servers": [kind.name for kind in benchmark.kinds],
                "file_servers": [kind.name for kind in benchmark.file_kinds], "nginx_open_files": large_cache(),
                "sizes": list(benchmark.plan.sizes)}
        report = {"machine": facts, "plan": plan, **benchmark.result()}
    text = json.dumps(report, indent=1) + "\n"
    if arguments.out:
        (arguments.out / "report.json").write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()

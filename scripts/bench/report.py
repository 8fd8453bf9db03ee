"""Writes report.md and chart.svg from report.json: report.py FOLDER. Exits with 1 if a figure is missing that should be
there: a server sent wrong bytes, or a measurement failed."""

import json
import sys
from pathlib import Path

import chart
from plan import KERNEL, TRANSPORTS
from targets import CPU, FILE_PEERS, NOT_MEASURED, Targets, ratio

# Title, name in the JSON, digits, and whether it says something in the lab, where time is instructions.
COLUMNS = [
    ("requests", "requests", 0, True),
    ("requests/s", "requests_per_second", 0, False),
    ("MiB/s", "mib_per_second", 0, False),
    ("mean µs", "mean_us", 0, False),
    ("p50 µs", "p50_us", 0, False),
    ("p75 µs", "p75_us", 0, False),
    ("p90 µs", "p90_us", 0, False),
    ("p99 µs", "p99_us", 0, False),
    ("CPU µs/request", "cpu_us_per_request", 1, True),
    ("CPU µs/MiB", "cpu_us_per_mib", 0, True),
    ("in kernel %", "kernel_percent", 0, True),
    ("switches/1000", "switches_per_1000", 1, False),
    ("faults/1000", "faults_per_1000", 1, False),
    ("RSS KiB", "rss_kib", 0, True),
]

TIME = """**Time, not instructions.** CPU figures are microseconds that the server's threads spent on a CPU, in user
mode and in the kernel (`/proc/PID/task/*/schedstat` before and after). They depend on the machine and on what else it does,
so compare figures of one report only, and ratios rather than figures."""

INSTRUCTIONS = """**Instructions, not time.** This ran in an emulator whose clock advances by one nanosecond for each
instruction, so a "microsecond of CPU" is a thousand instructions of the server, user mode and kernel together. The
figures repeat to about 2 % whatever else the machine does; they know nothing of caches, or of instructions that take
longer than others. Latency and throughput mean nothing here and are left out."""

METHOD = """**Method.** Every server got the same files, the same certificate, TLS 1.3 with TLS_AES_128_GCM_SHA256, one
worker; access logs off, sendfile and open-file caches on (the configurations are in `scripts/bench/`). Before anything
was measured, curl fetched every file from every server, and its SHA-256 was right. The servers ran all at once and had
their turns in each round, another one first each time; the figures are medians of {rounds} round{s} of {seconds} s,
and ratios are medians of the rounds' ratios: the speed of a machine changes more from round to round than within one.
{pinning}
TLS figures include the handshakes with which each load begins: a per cent or two of its CPU with up to 10 connections.
The *floor* is `scripts/bench/floor.c`: the least that a C loop can do. It reads no request and knows one file. Above
16 KiB of user TLS it sends 64 KiB at a time, which a server may well do better: there the best peer is the measure."""

PROOF = """**Proof of kernel TLS.** For each of its rows, the kernel's own count of connections that it encrypts
(TlsTxSw in `/proc/net/tls_stat`) rose by those of the load; for user TLS it did not rise."""

LATENCY = """**Latency.** As many requests as wrk can make say little of the p99 of a server that is faster than wrk: the
threads of wrk share a CPU, and while one is served at once, the others wait for it (the floor shows the same). The paced
load asks all servers for the same number of requests a second, far below what any of them can do."""

WORKING_SET = """**Large working sets.** 20,000 files of 4 KiB in 200 folders, in plaintext: *uniform*, each as often as any
other; *skewed*, the rank of the file drawn as n^u with u uniform, so that the first few are asked for most; and names that
don't exist (wrk counts their 404s as errors: that is allowed here, and nothing else is). Every server got the same requests,
made before the load began; these servers ran apart from the others, had read every file, and had a second of the same load
before each measurement. nginx is there twice: without open_file_cache, and with one for {nginx:,} files
(twice the set, or as many as this machine lets a process open). There is no floor: it
knows one file."""

CRAWLER = """## A crawler

sluice with `--cache-memory {memory}`, less than the files: {hot} hot files are asked for (skewed), then a crawler reads all
the other {crawled:,} once, four for each request for a hot one, then the hot ones are asked for alone again. How many of the
requests for hot files were answered from the cache: the server's own count (`cache_misses` of its last line), of servers
that were ended after each of the phases."""

NO_KERNEL_TLS = """**No kernel TLS here.** This kernel has none (`modprobe tls` as root may help), so there are no
figures for it. `scripts/bench.sh --lab` measures it on a kernel that has it."""

IDLE = """## Memory of an idle connection

KiB for each of 900 connections that have made one request and wait, measured before any load. nginx has allocated part
of it at the start."""

SYSTEM_CALLS = """## System calls per request

Counted by strace in a run of its own. Servers under strace are slow, so more requests are ready at each epoll_wait than
otherwise."""


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * 2 + " ---: |" * (len(head) - 2)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


class Report:
    def __init__(self, data):
        self.data = data
        self.lab = data["plan"]["lab"]
        # First what this run measured.
        self.targets = sorted(Targets(data).rows, key=lambda target: target["verdict"] == NOT_MEASURED)
        self.lines = []

    def markdown(self):
        self.head()
        self.target_table()
        self.encryption()
        loads = list(dict.fromkeys((r["load"], r["kind"], r["threads"], r["connections"]) for r in self.data["rows"]))
        for load in loads:
            for transport in TRANSPORTS:
                self.case_table(transport, load)
        if not self.lab:
            self.memory()
            self.crawler()
            self.system_calls()
            self.hardware()
        return "\n".join(self.lines) + "\n"

    def head(self):
        machine, plan = self.data["machine"], self.data["plan"]
        minutes = "" if self.lab else f" ({machine['duration_s'] / 60:.0f} minutes)"
        versions = ", ".join(f"{n} {v}" for n, v in machine["versions"].items() if v)
        one = not machine["server_cpus"]
        pinning = ("Servers and clients shared the one CPU." if one else
                   "The servers were pinned to CPU " + ", ".join(map(str, machine["server_cpus"])) +
                   ", the clients to " + ", ".join(map(str, machine["client_cpus"])) + ".")
        self.lines += [
            "# What Sluice's requests cost", "",
            *table(["", ""], [
                ["date", machine["date"]],
                ["command", f"`{machine['command']}`{minutes}"],
                ["commit", machine["commit"]],
                ["CPU", machine["cpu"] + (" (a virtual machine)" if machine["hypervisor"] else "")],
                ["kernel", f"{machine['kernel']} (kernel TLS: {'yes' if machine['kernel_tls'] else 'no'})"],
                ["system", machine["system"]],
                ["OpenSSL", machine["openssl"]],
                ["TCP congestion control", machine["tcp"]],
                ["others", versions],
            ]), ""]
        self.lines += self.warnings()
        self.lines += ["![The chart](chart.svg)", ""] if plan["sizes"] else []
        self.lines += [INSTRUCTIONS if self.lab else TIME, ""]
        self.lines += [METHOD.format(rounds=plan["rounds"], s="s" * (plan["rounds"] > 1), seconds=plan["seconds"],
                                     pinning=pinning), ""]
        self.lines += [] if self.lab else [LATENCY, ""]
        self.lines += [WORKING_SET.format(nginx=plan["nginx_open_files"]), ""] if plan["file_servers"] else []
        self.lines += [PROOF if machine["kernel_tls"] else NO_KERNEL_TLS, ""]

    def warnings(self):
        machine, lines = self.data["machine"], []
        if not self.lab:
            waits = sorted(r["median"]["server_wait_percent"] for r in self.data["rows"] if r.get("median"))
            wait = waits[len(waits) // 2] if waits else 0
            if machine["busy_percent"] > 10 or wait > 2:
                lines.append("> **The machine was busy with other things**: before the start "
                             f"{machine['busy_percent']:.0f} % of its CPUs; then servers waited for their CPU "
                             f"{wait:.0f} % of the time (median). The figures are noise to that extent.")
            if machine["stolen_ticks"] > machine["duration_s"]:
                lines.append(f"> The hypervisor took {machine['stolen_ticks'] / 100:.0f} CPU seconds away.")
        lines += [f"> **{name} was not measured**: {why}" for name, why in self.data["refused"].items()]
        return [part for line in lines for part in (line, "")]

    def target_table(self):
        count = {v: sum(t["verdict"] == v for t in self.targets) for v in ("pass", "FAIL", "not measured")}
        self.lines += ["## Targets", "", f"{count['pass']} pass, {count['FAIL']} fail, {count['not measured']} not "
                       "measured in this run.", ""]
        rows = [[t["target"], t["said"], t["bound"], f"**{t['verdict']}**" if t["verdict"] == "FAIL" else t["verdict"]]
                for t in self.targets]
        self.lines += table(["target", "measured", "bound", "verdict"], rows) + [""]

    def encryption(self):
        """What sluice's request costs over each transport, where this run has kernel TLS."""
        load = self.data["rows"][0]["load"] if self.data["rows"] else None
        found = {(r["size"], r["transport"]): r["median"]["cpu_us_per_request"] for r in self.data["rows"]
                 if r["server"] == "sluice" and r["load"] == load and r.get("median")}
        rows = []
        for size in self.data["plan"]["sizes"]:
            plain, kernel, both, user = (found.get((size, transport)) for transport in TRANSPORTS)
            if plain and kernel and user:
                rows.append([size, number(plain, 1), number(kernel, 1), number(both, 1) if both else "", number(user, 1),
                             number(kernel / user, 2)])
        if rows:
            unit = "thousand instructions" if self.lab else "CPU µs"
            self.lines += ["## What encryption costs", "", f"sluice, {unit} per request, {load}.", ""]
            self.lines += table(["size", "plaintext", "kernel TLS", "both ways", "user TLS", "kernel / user"], rows) + [""]

    def case_table(self, transport, load):
        rows = [r for r in self.data["rows"] if r["transport"] == transport and r["load"] == load[0]]
        measured = [r for r in rows if r.get("median")]
        if not rows or (not measured and not self.data["machine"]["kernel_tls"] and transport in KERNEL):
            return
        name, kind, threads, connections = load
        title = TRANSPORTS[transport]
        tool = f"wrk -t{threads} -c{connections}" if kind not in ("full", "resumed") else f"{threads} at a time"
        self.lines += [f"## {title[0].upper()}{title[1:]}, {name} ({tool})", ""]
        columns = [c for c in COLUMNS if c[3] or not self.lab]
        if transport in KERNEL:
            columns.append(("TlsTxSw", "kernel_tls_connections", 0, True))
        rename = {"CPU µs/request": "thousand instructions/request", "CPU µs/MiB": "thousand instructions/MiB"}
        head = ["size", "server"] + [rename.get(c[0], c[0]) if self.lab else c[0] for c in columns]
        if kind == "files":
            peers = [r for r in measured if r["server"] in FILE_PEERS]
            best = min(peers, key=lambda r: r["median"][CPU], default=None)
            bases = {best["size"]: best} if best else {}
            head.append("× best peer")
        else:
            bases = {r["size"]: r for r in measured if r["server"] == "floor"}
            head.append("× floor")
        lines = []
        for r in measured:
            base = bases.get(r["size"])
            times = ratio(r, base) if base else None
            server = f"**{r['server']}**" if r["server"] == "sluice" else r["server"]
            lines.append([r["size"], server, *(number(r["median"].get(c[1]), c[2]) for c in columns), number(times, 2)])
        plan = self.data["plan"]
        sizes = list(dict.fromkeys(r["size"] for r in rows)) if kind == "files" else plan["sizes"]
        order = plan["file_servers"] if kind == "files" else plan["servers"]
        lines.sort(key=lambda line: (sizes.index(line[0]), order.index(line[1].strip("*"))))
        self.lines += table(head, lines) + [""]
        for reason in dict.fromkeys((r["server"], r["failed"]) for r in rows if r["failed"]):
            self.lines += [f"{reason[0]}: no figure, {reason[1]}.", ""]

    def crawler(self):
        found = self.data["probes"].get("crawler")
        if not found:
            return
        if "failed" in found:
            self.lines += ["## A crawler", "", f"Not measured: {found['failed']}.", ""]
            return
        self.lines += [CRAWLER.format(**found), ""]
        rows = [[phase, "hot files", number(found[phase]["requests"]), number(100 * found[phase]["hit_rate"], 2)]
                for phase in ("before", "during", "after")]
        self.lines += table(["phase", "of", "requests", "hit rate %"], rows) + [""]

    def memory(self):
        if not any(name.startswith("idle ") for name in self.data["probes"]):
            return
        self.lines += [IDLE, ""]
        rows = []
        for name, found in self.data["probes"].items():
            if name.startswith("idle "):
                _, transport, server, *_ = name.split()
                rows.append([TRANSPORTS[transport], server, str(found.get("connections", "")),
                             number(found.get("pss_kib"), 2), number(found.get("rss_kib"), 2),
                             number(found.get("slab_kib"), 1), found.get("failed", "")])
        rows.sort(key=lambda row: list(TRANSPORTS.values()).index(row[0]))
        self.lines += table(["transport", "server", "held", "PSS KiB", "RSS KiB", "kernel KiB", ""], rows) + [""]

    def system_calls(self):
        self.lines += [SYSTEM_CALLS, ""]
        rows = []
        for r in self.data["rows"]:
            calls = sorted(r.get("system_calls", {}).items(), key=lambda call: -call[1])
            if calls:
                what = f", {r['load']}" if r["kind"] == "files" else f", {r['size']}"
                each = ", ".join(f"{count:.2f} {call}" for call, count in calls if count >= 0.005)
                rows.append([TRANSPORTS[r["transport"]] + what, r["server"],
                             number(sum(count for _, count in calls), 2), each])
        if rows:
            self.lines += table(["case", "server", "all", "each"], rows) + [""]
        if isinstance(self.data["probes"].get("system_calls"), str):
            self.lines += [f"Not counted: {self.data['probes']['system_calls']}.", ""]

    def hardware(self):
        self.lines += ["## Hardware counters per request (`perf stat -d`)", ""]
        counted = [r for r in self.data["rows"] if r.get("hardware")]
        names = list(dict.fromkeys(name for r in counted for name in r["hardware"]))
        rows = [[f"{TRANSPORTS[r['transport']]}, {r['load'] if r['kind'] == 'files' else r['size']}", r["server"],
                 *(number(r["hardware"].get(name), 1) for name in names)] for r in counted]
        if rows:
            self.lines += table(["case", "server", *names], rows) + [""]
        if isinstance(self.data["probes"].get("hardware"), str):
            self.lines += [f"Not supported: {self.data['probes']['hardware']}.", ""]


def main():
    folder = Path(sys.argv[1])
    data = json.loads((folder / "report.json").read_text())
    report = Report(data)
    (folder / "report.md").write_text(report.markdown())
    if data["plan"]["sizes"]:
        (folder / "chart.svg").write_text(chart.draw(data))
    data["targets"] = report.targets
    (folder / "report.json").write_text(json.dumps(data, indent=1) + "\n")
    for target in report.targets:
        print(f"{target['verdict']:>12}  {target['target']}: {target['said']}, {target['bound']}")
    print(f"{folder}/report.md, report.json{', chart.svg' if data['plan']['sizes'] else ''}")
    # A server that lacks something, such as kernel TLS, is no failure.
    failures = [r for r in data["rows"] if r["failed"] and not r["unavailable"]]
    sys.exit(1 if failures or data["refused"] else 0)


if __name__ == "__main__":
    main()

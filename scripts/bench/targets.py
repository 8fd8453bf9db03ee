"""What Sluice promises of its speed, as rows: the target, its bound, what was measured, pass or fail."""

import math
import statistics

from plan import DISK_CASES, FOUR, FULL, HELD, HUNDRED, MISSING, PACED, SKEWED, TEN, TRANSPORTS, UNIFORM

PASS, FAIL, NOT_MEASURED = "pass", "FAIL", "not measured"
PEERS = ("nginx", "lighttpd", "h2o")
FILE_PEERS = (*PEERS, "nginx, open_file_cache")
CPU = "cpu_us_per_request"

RECEIVES = ("read", "readv", "recvfrom", "recvmsg")
SENDS = ("write", "writev", "sendto", "sendmsg", "sendfile", "splice")
LOOKS = ("open", "openat", "openat2", "stat", "lstat", "newfstatat", "fstat", "statx", "read", "pread64", "close")
WAITS = ("epoll_wait", "epoll_pwait", "epoll_pwait2")


def ratios(row, other, name=CPU):
    """Of each round. What is measured in one round is seconds apart: a machine that changes its speed from round to round
    does not change them."""
    return [a[name] / b[name] for a, b in zip(row["rounds"], other["rounds"])]


def ratio(row, other, name=CPU):
    """The median of the rounds' ratios."""
    return statistics.median(ratios(row, other, name))


def range_of(row, other, name=CPU):
    """Says between what they lie."""
    found = ratios(row, other, name)
    return f"rounds {min(found):.2f} to {max(found):.2f}; " if len(found) > 1 else ""


class Missing(Exception):
    """Says why a target was not measured."""


class Targets:
    def __init__(self, report):
        self.report = report
        self.lab = report["plan"]["lab"]
        self.found = {(r["transport"], r["size"], r["load"], r["server"]): r for r in report["rows"]}
        self.rows = []
        self.ordinary_targets()
        self.lab_targets()

    def row(self, server, transport, size, load):
        row = self.found.get((transport, size, load.name, server))
        if server in self.report["refused"]:
            raise Missing(self.report["refused"][server])
        if not row or not row.get("median"):
            raise Missing(row["failed"] if row else f"{server} was not in this run")
        return row

    def value(self, server, *case, name=CPU):
        return self.row(server, *case)["median"][name]

    def best_peer(self, *case, name=CPU):
        values = []
        for peer in FILE_PEERS:
            try:
                values.append((self.value(peer, *case, name=name), peer))
            except Missing:
                continue
        if not values:
            raise Missing("no peer in this run: --peers")
        return min(values)

    def add(self, target, bound, measure, at_least=False):
        """`measure` gives the figure and what to say of it, or throws Missing."""
        try:
            figure, said = measure()
            good = figure >= bound if at_least else figure <= bound
            verdict = PASS if good else FAIL
        except Missing as reason:
            figure, said, verdict = None, f"({reason})", NOT_MEASURED
        if figure == math.inf:
            figure = None  # JSON has no word for it
        self.rows.append({"target": target, "bound": f"{'≥' if at_least else '≤'} {bound:g}", "figure": figure,
                          "said": said, "verdict": verdict})

    def only(self, lab):
        if lab != self.lab:
            raise Missing("in the lab: --lab --peers" if lab else "on an ordinary kernel: without --lab")

    def against_floor(self, transport, size, load, lab=False):
        def measure():
            self.only(lab)
            ours, floor = (self.row(s, transport, size, load) for s in ("sluice", "floor"))
            times, unit = ratio(ours, floor), "thousand instructions" if lab else "us"
            return times, (f"{times:.2f} × floor ({range_of(ours, floor)}{ours['median'][CPU]:.1f} against "
                           f"{floor['median'][CPU]:.1f} {unit})")
        return measure

    def against_peer(self, transport, size, load, name=CPU):
        def measure():
            self.only(False)
            case = transport, size, load
            best, peer = self.best_peer(*case, name=name)
            ours, other = self.row("sluice", *case), self.row(peer, *case)
            times = ratio(ours, other, name)
            floor = f", floor {self.value('floor', *case, name=name):.1f}" if name != CPU else ""
            return times, (f"{times:.2f} × {peer} ({range_of(ours, other, name)}{ours['median'][name]:.1f} against "
                           f"{best:.1f} us{floor})")
        return measure

    def ordinary_targets(self):
        for size, bound in (("1 KiB", 1.08), ("16 KiB", 1.08), ("100 KiB", 1.08), ("1 MiB", 1.10)):
            self.add(f"CPU per request: plaintext, {size}, against the floor", bound,
                     self.against_floor("plain", size, TEN))
        self.add("CPU per request: user TLS, 1 KiB, against the floor", 1.08, self.against_floor("user", "1 KiB", TEN))
        for size in ("16 KiB", "100 KiB", "1 MiB"):
            self.add(f"CPU per request: user TLS, {size}, against the best peer", 0.95,
                     self.against_peer("user", size, TEN))
        self.add("CPU per new connection, full handshake and 1 KiB, against the best peer", 0.95,
                 self.against_peer("user", "1 KiB", FULL))
        for load, how in ((PACED, "at the same rate"), (HUNDRED, "as many requests as wrk can make")):
            for transport, name in (("plain", "plaintext"), ("user", "user TLS")):
                self.add(f"p99 latency: {name}, 1 KiB, 100 connections, {how}, against the best peer", 1.0,
                         self.against_peer(transport, "1 KiB", load, "p99_us"))
        for name, size, load, bound in (("20,000 files of 4 KiB, uniform", "4 KiB", UNIFORM, 0.95),
                                        ("20,000 files of 4 KiB, skewed", "4 KiB", SKEWED, 0.90),
                                        ("names that don't exist", "404", MISSING, 0.90)):
            self.add(f"CPU per request: plaintext, {name}, against the best peer", bound,
                     self.against_peer("plain", size, load))
        self.add("user-mode instructions per 1 KiB plaintext request", 800, self.user_instructions)
        # A little more than one, for the calls that begin and end a connection.
        for name, calls, bound in (("receives", RECEIVES, 1.05), ("sends", SENDS, 1.05), ("waits", WAITS, 1)):
            self.add(f"system calls per 1 KiB plaintext request: {name}", bound,
                     self.system_calls(calls, "1 KiB", TEN))
        self.add("system calls per name that doesn't exist: to find that out", 1.05,
                 self.system_calls(LOOKS, "404", MISSING))
        self.add("PSS per idle connection: plaintext, KiB", 1.0, self.idle("plain"))
        self.add("PSS per idle connection: TLS, KiB", 10.0, self.idle("user"))
        self.add("p99 beside 10,000 idle TLS connections, against the load alone", 1.2, self.crowd)
        for disk, how in (("slow", "one whose reads take 200 ms"), ("hung", "one that does not answer")):
            for case in DISK_CASES:
                self.add(f"p99 of a file in memory beside files of a disk, {how}: {case}, against the load alone", 1.2,
                         self.beside_disk(disk, str(case)))
        self.add("requests per second of two workers on two CPUs, against one", 1.8, self.two_workers, at_least=True)
        self.add("requests per second of two workers, against two servers that share nothing", 0.95, self.workers_apart,
                 at_least=True)

    def lab_targets(self):
        kernel = (("1 KiB", 1.10), ("16 KiB", 1.06), ("100 KiB", 1.05), ("1 MiB", 1.02))
        for size, bound in kernel:
            self.add(f"instructions: kernel TLS, {size}, against the floor", bound,
                     self.against_floor("kernel", size, FOUR, lab=True))
        self.add("instructions: kernel TLS, 1 MiB, against nginx", 1.0, self.lab_against_nginx)
        self.add("instructions: plaintext, 1 KiB, against the floor", 1.12,
                 self.against_floor("plain", "1 KiB", FOUR, lab=True))
        self.add("instructions: kernel TLS both ways, 1 KiB, against sending alone", 1.05,
                 self.against_transport("both", "kernel", "1 KiB"))
        self.add("PSS per idle connection: kernel TLS both ways, 1,000 connections, KiB", 0.5, self.idle_both_ways)
        for size, _ in kernel:
            self.add(f"instructions: kernel TLS, {size}, against user TLS", 1.0, self.against_transport("kernel", "user", size))

    def lab_against_nginx(self):
        self.only(True)
        ours, nginx = (self.row(s, "kernel", "1 MiB", FOUR) for s in ("sluice", "nginx"))
        times = ratio(ours, nginx)
        return times, (f"{times:.3f} × nginx ({ours['median'][CPU]:.0f} against {nginx['median'][CPU]:.0f} thousand "
                       "instructions)")

    def against_transport(self, one, other, size):
        def measure():
            self.only(True)
            ours, theirs = (self.row("sluice", t, size, FOUR) for t in (one, other))
            times = ratio(ours, theirs)
            return times, (f"{times:.2f} × {TRANSPORTS[other]} ({ours['median'][CPU]:.1f} against "
                           f"{theirs['median'][CPU]:.1f} thousand instructions)")
        return measure

    def idle_both_ways(self):
        self.only(True)
        found = self.report["probes"].get("idle both sluice 1000", {"failed": "left out"})
        if "failed" in found:
            raise Missing(found["failed"])
        return found["pss_kib"], f"{found['pss_kib']:.2f} KiB, and {found['slab_kib']:.1f} KiB of the kernel's for both ends"

    def probe(self, name):
        self.only(False)
        found = self.report["probes"].get(name)
        if not found:
            raise Missing("left out by --quick and --files")
        if "failed" in found:
            raise Missing(found["failed"])
        return found

    def user_instructions(self):
        count = self.probe("user instructions")["per_request"]
        return count, f"{count:.0f}"

    def system_calls(self, names, size, load):
        def measure():
            self.only(False)
            calls = self.row("sluice", "plain", size, load).get("system_calls")
            if not calls:
                raise Missing(self.report["probes"].get("system_calls", "not counted"))
            used = {name: calls[name] for name in names if name in calls}
            return sum(used.values()), ", ".join(f"{count:.2f} {name}" for name, count in used.items()) or "none"
        return measure

    def idle(self, transport):
        def measure():
            figure = self.probe(f"idle {transport} sluice {HELD}")["pss_kib"]
            others = [(p, self.report["probes"].get(f"idle {transport} {p} {HELD}", {}).get("pss_kib")) for p in PEERS]
            said = ", ".join(f"{peer} {value:.1f}" for peer, value in others if value is not None)
            return figure, f"{figure:.1f}{f' ({said})' if said else ''}"
        return measure

    def crowd(self):
        found = self.probe("crowd")
        times = found["beside_us"] / found["alone_us"]
        return times, f"{times:.2f} × alone ({found['beside_us']:.0f} against {found['alone_us']:.0f} us)"

    def beside_disk(self, disk, case):
        def measure():
            found = self.probe("disk")
            failure = found["failures"].get(f"{disk}, {case}")
            if failure:
                return math.inf, f"it did not answer as it should: {failure}"
            alone, beside = (found["cases"][case][name] for name in ("alone", disk))
            return beside / alone, f"{beside / alone:.2f} × alone ({beside:.0f} against {alone:.0f} us)"
        return measure

    def two_workers(self):
        found = self.probe("two workers")
        times, busy = found["two_to_one"], found["busy_percent"]
        said = f"{times:.2f} × as many ({found['two']:.0f} against {found['one']:.0f})"
        if not found["has_room"]:
            return times, f"{said}, with the load on the same two CPUs, half of it from one to the other"
        if times < 1.8 and busy < 190:
            raise Missing(f"{said}, but the load left the workers idle: {busy:.0f} of 200 % CPU used")
        return times, f"{said}, with {busy:.0f} of 200 % CPU used by the workers"

    def workers_apart(self):
        found = self.probe("two workers")
        return found["two_to_apart"], f"{found['two_to_apart']:.2f} × ({found['two']:.0f} against {found['apart']:.0f})"

"""What is measured: the files, the loads, and how often and how long."""

from dataclasses import dataclass

KiB, MiB = 1024, 1024 * 1024

SIZES = {"1 KiB": KiB, "16 KiB": 16 * KiB, "100 KiB": 100 * KiB, "1 MiB": MiB, "10 MiB": 10 * MiB}

# How the bytes leave. The order is that of the report.
TRANSPORTS = {"plain": "plaintext", "kernel": "kernel TLS", "both": "kernel TLS, both ways", "user": "user TLS"}
# Those of the kernel; both ways is sluice's own.
KERNEL = ("kernel", "both")

# Idle connections: what every peer's default limits allow.
HELD = 900

# The large working set: so many files of one size in so many folders, more than a server keeps by default.
FILES, FOLDERS, FILE_SIZE = 20_000, 200, 4 * KiB


@dataclass(frozen=True)
class Load:
    """Keep-alive requests by wrk, or new connections: by wrk (plaintext) or connections.c (TLS)."""

    name: str
    kind: str  # keep-alive, paced, files, close, full, resumed
    threads: int
    connections: int
    draw: str = ""  # files: how wrk.lua chooses each request's path: all, uniform, skewed, missing
    browser: str = ""  # whose fields are sent: of a browser that "gets" a file, or "revalidates" the one it has; "": wrk's

    @property
    def keeps_alive(self):
        return self.kind in ("keep-alive", "paced", "files")


TEN = Load("10 connections", "keep-alive", 1, 10)
HUNDRED = Load("100 connections", "keep-alive", 4, 100)
# 100 connections that wait 2 ms between a response and the next request: some 40,000 requests a second, which every
# server can answer and wrk can make.
PACED = Load("100 connections, paced", "paced", 4, 100)
PAUSE_MS = 2
# Downloads that leave the server time.
PACED_PAIR = Load("2 connections, paced", "paced", 1, 2)
BROWSER = Load("a browser's request", "keep-alive", 1, 10, browser="gets")
REVALIDATION = Load("304 to a browser's revalidation", "keep-alive", 1, 10, browser="revalidates")
# With Host, these are the 15 fields that Chrome sends for a page.
BROWSER_FIELDS = (
    "Connection: keep-alive",
    'sec-ch-ua: "Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-User: ?1",
    "Sec-Fetch-Dest: document",
    "Referer: http://127.0.0.1/index.html",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en-US;q=0.9,en;q=0.8",
)
FOUR = Load("4 connections", "keep-alive", 1, 4)
CLOSE = Load("a new connection for each request", "close", 1, 10)
FULL = Load("a new connection and a full handshake for each request", "full", 4, 4)
RESUMED = Load("a new connection and a resumed handshake for each request", "resumed", 4, 4)
# Every file in turn, to fill the caches before anything is measured.
ALL = Load("20,000 files, one after the other", "files", 1, 10, "all")
UNIFORM = Load("20,000 files, uniform", "files", 1, 10, "uniform")
SKEWED = Load("20,000 files, skewed", "files", 1, 10, "skewed")
MISSING = Load("names that don't exist", "files", 1, 10, "missing")


@dataclass(frozen=True)
class Case:
    transport: str
    size: str
    load: Load

    def __str__(self):
        return f"{TRANSPORTS[self.transport]}, {self.size}, {self.load.name}"


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: int  # of each measurement
    warm_up: int  # seconds before a case's first measurement; 0: the check of the bytes has to do
    sizes: tuple
    keep_alive: tuple  # the cases with wrk and keep-alive
    new_connections: bool
    counts: tuple  # the loads for which system calls and hardware counters are counted
    probes: bool  # idle connections and instructions
    long_probes: bool  # 10,000 idle connections, two workers
    file_cases: tuple = ()  # those of the large working set, which have servers of their own
    held: tuple = ()  # in the lab: how many idle connections

    @property
    def cases(self):
        new = []
        if self.new_connections:
            new = [Case("plain", "1 KiB", CLOSE)]
            new += [Case(t, "1 KiB", load) for t in TRANSPORTS if t != "plain" for load in (FULL, RESUMED)]
        return list(self.keep_alive) + new

    def seconds_of(self, case):
        # In the lab a second holds only some hundred requests of 1 MiB.
        if case.load is FOUR and case.size == "1 MiB":
            return self.seconds * 2
        # wrk counts its first requests, too, which wait for all the others' handshakes: in a second or three these are
        # more than one in a hundred, and p99 would tell of nothing else.
        if case.load in (HUNDRED, PACED) and case.size == "1 KiB" and self.long_probes:
            return 10
        return self.seconds


BROWSER_CASES = tuple(Case(t, "1 KiB", load) for load in (BROWSER, REVALIDATION) for t in ("plain", "user"))
# What is measured beside a slow disk.
DISK_CASES = (Case("plain", "1 KiB", PACED), Case("plain", "1 MiB", PACED_PAIR), Case("user", "1 MiB", PACED_PAIR))
FILE_CASES = (Case("plain", "4 KiB", UNIFORM), Case("plain", "4 KiB", SKEWED), Case("plain", "404", MISSING))


def make_plan(lab, quick, peers, files, idle, rounds):
    if idle:
        return Plan(1, 1, 0, ("1 KiB",), (), False, (), False, False, held=(1_000,) if quick else (1_000, 8_000))
    if files:
        return Plan(rounds or (2 if quick else 3), 1 if quick else 3, 1, (), (), False, () if quick else (TEN,), False,
                    False, FILE_CASES)
    if lab:
        sizes = ("1 KiB", "100 KiB") if quick else ("1 KiB", "16 KiB", "100 KiB", "1 MiB")
        cases = tuple(Case(t, size, FOUR) for t in TRANSPORTS for size in sizes)
        return Plan(rounds or 1, 1, 0, sizes, cases, False, (), False, False, held=(1_000,))
    if quick:
        sizes = ("1 KiB", "16 KiB", "100 KiB", "1 MiB")
        cases = [Case(t, size, TEN) for t in TRANSPORTS for size in sizes]
        cases += [Case(t, "1 KiB", load) for load in (HUNDRED, PACED) for t in TRANSPORTS]
        cases += BROWSER_CASES
        return Plan(rounds or (2 if peers else 3), 1, 0, sizes, tuple(cases), True, (), True, False)
    cases = [Case(t, size, load) for load in (TEN, HUNDRED) for t in TRANSPORTS for size in SIZES]
    cases += [Case(t, "1 KiB", PACED) for t in TRANSPORTS]
    cases += BROWSER_CASES
    return Plan(rounds or 3, 3, 1, tuple(SIZES), tuple(cases), True, (TEN,), True, True, FILE_CASES)

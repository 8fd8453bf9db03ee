"""What is measured apart from the cases: idle connections, instructions in user mode, workers."""

import copy
import itertools
import json
import random
import re
import socket
import shutil
import statistics
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from files import path_of
from measure import Failed, measure
from plan import DISK_CASES, FILES, FILE_SIZE, HELD, HUNDRED, PACED, SIZES, Case
from processes import Process, free_ports, pinned, proportional_kib, resident_kib, slab_kib
from servers import check

CROWD = 10_000
FEW, MANY = 1_000, 11_000
# A crawler beside hot files, and a cache that holds the hot ones several times, but not all.
CACHE_MEMORY, HOT, HOT_REQUESTS, CRAWLED_FOR_EACH = "16M", 500, 20_000, 4
# A slow disk: milliseconds of a read, who asks for its files, and how many there are of each size.
READ_MS, COLD_CONNECTIONS, COLD_FILES, COLD_SIZES = 200, 16, 2_000, {"small": FILE_SIZE, "large": SIZES["1 MiB"]}


@contextmanager
def idle_connections(bench, endpoint, count):
    """Connections that have made one request each and wait. Throws Failed if the server does not keep them all."""
    arguments = [bench.programs["connections"], "-i", "-p", endpoint.port, "-u", endpoint.path, "-s", SIZES["1 KiB"],
                 "-n", count, *(["-t"] if endpoint.secure else [])]
    holder = subprocess.Popen(pinned(arguments, bench.client_cpus), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        held = json.loads(holder.stdout.readline() or '{"held": 0}')["held"]
        if held < count:
            raise Failed(f"only {held} of {count} connections could be held")
        yield
    finally:
        said, _ = holder.communicate()
    kept = json.loads(said)["kept"]
    if kept < count:
        raise Failed(f"the server closed {count - kept} of {count} idle connections meanwhile")


def idle_memory(bench, server, transport, held=HELD):
    """KiB of PSS and RSS for each of so many idle connections, and of the kernel's slabs for both ends of each. To be asked
    before the server has had any load."""
    endpoint = server.endpoint(Case(transport, "1 KiB", HUNDRED))
    pids = endpoint.process.pids

    def memory():
        return proportional_kib(pids), resident_kib(pids), slab_kib()

    # What the first handshakes of all make the server keep is nobody's in particular.
    with idle_connections(bench, endpoint, FEW // 100):
        pass
    before = memory()
    with idle_connections(bench, endpoint, held):
        pss, rss, slab = ((b - a) / held for a, b in zip(before, memory()))
    return {"pss_kib": pss, "rss_kib": rss, "slab_kib": slab, "connections": held}


def user_instructions(bench, server):
    """User-mode instructions of a 1 KiB keep-alive plaintext request, which is that of wrk: callgrind's count for 11,000
    requests less that for 1,000, which leaves the start and the end out."""
    if "valgrind" not in bench.programs:
        raise Failed("valgrind is not installed")
    return (_instructions(bench, server, MANY) - _instructions(bench, server, FEW)) / (MANY - FEW)


def _instructions(bench, server, requests):
    port, tls_port = free_ports(2)
    output = bench.work / f"callgrind-{requests}"
    program, *arguments = server.command("user", port, tls_port)
    # Valgrind does not understand the debugging information of newer compilers.
    stripped = bench.work / "sluice-without-debugging-information"
    subprocess.run(["strip", "--strip-debug", "-o", stripped, program], check=True)
    arguments = [bench.programs["valgrind"], "--tool=callgrind", f"--callgrind-out-file={output}", stripped, *arguments]
    process = Process(arguments, bench.work / "callgrind.log", bench.server_cpus)
    try:
        process.wait_for([port])
        expected = server.endpoint(Case("plain", "1 KiB", HUNDRED)).response_bytes
        request = f"GET /{bench.file('1 KiB').name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            for _ in range(requests):
                connection.sendall(request)
                if len(connection.recv(expected, socket.MSG_WAITALL)) != expected:
                    raise Failed("a wrong response under callgrind")
    finally:
        process.stop()
    for line in output.read_text().splitlines():
        if line.startswith(("summary:", "totals:")):
            return int(line.split()[1])
    raise Failed("callgrind wrote no total")


@contextmanager
def several_workers(bench, server, workers, cpus):
    """Another instance of sluice: where it answers for 1 KiB in plaintext and over user TLS."""
    ports = free_ports(2)
    process = bench.start(server.name, server.command("user", *ports, workers=workers), ports, cpus)
    try:
        plain, user = (server.endpoint(Case(transport, "1 KiB", HUNDRED)) for transport in ("plain", "user"))
        yield replace(plain, process=process, port=ports[0]), replace(user, process=process, port=ports[1])
    finally:
        process.stop()


def crowd(bench, server, rounds, seconds):
    """The p99 of 100 connections (plaintext, 1 KiB, paced) alone and beside 10,000 idle TLS connections, in microseconds.
    Two workers, since one takes 8192 connections. Plaintext, since handshakes would make the p99 of a load over TLS."""
    case = Case("plain", "1 KiB", PACED)
    with several_workers(bench, server, 2, bench.server_cpus) as (plain, user):
        def p99():
            # What else the machine does only adds to it: the lowest figure says most of the server.
            return min(measure(bench, case, plain, seconds)["p99_us"] for _ in range(rounds + 2))
        alone = p99()
        with idle_connections(bench, user, CROWD):
            return {"alone_us": alone, "beside_us": p99()}


def two_workers(bench, server, rounds, seconds):
    """Requests per second (plaintext, 1 KiB) of one worker on one CPU, of two on two CPUs with twice the load, and of two
    servers with a worker each, which share nothing: what the machine gives at best. Where it has no CPUs left for the load,
    the load takes its part of the same CPUs; then half of it comes from the other CPU, which costs more."""
    if len(bench.server_cpus + bench.client_cpus) < 2:
        raise Failed("this machine has one CPU")
    client = copy.copy(bench)
    first, second, *others = bench.server_cpus + bench.client_cpus
    has_room = len(others) >= 2
    half = replace(HUNDRED, threads=2, connections=50)

    def rate(load, cpus, *endpoints):
        client.client_cpus = others if has_room else cpus
        with ThreadPoolExecutor() as pool:
            rows = list(pool.map(lambda e: measure(client, Case("plain", "1 KiB", load), e, seconds), endpoints))
        return [sum(row[name] for row in rows) for name in ("requests_per_second", "server_cpu_percent")]

    with (several_workers(bench, server, 1, [first]) as (one, _), several_workers(bench, server, 1, [second]) as (other, _),
          several_workers(bench, server, 2, [first, second]) as (two, _)):
        measured = []
        for _ in range(rounds + 2):
            single, _ = rate(half, [first], one)
            double, busy = rate(HUNDRED, [first, second], two)
            apart, _ = rate(half, [first, second], one, other)
            measured.append({"one": single, "two": double, "apart": apart, "busy_percent": busy,
                             "two_to_one": double / single, "two_to_apart": double / apart})
    return {"has_room": has_room} | {name: statistics.median(row[name] for row in measured) for name in measured[0]}


def crawler(bench, server):
    """How many requests for hot files are answered from sluice's cache before, while and after a crawler reads all others.

    The server tells its counts when it ends, so each phase ends a server of its own: what a phase adds is the difference to
    the one before. All of them get the same requests in the same order."""
    random_numbers = random.Random(20000)

    def skewed(count):
        return [path_of(int(HOT ** random_numbers.random())) for _ in range(count)]
    # A client of the site does not choose which files come first: the hot ones are any.
    crawled = [path_of(number) for number in range(HOT, FILES)]
    random_numbers.shuffle(crawled)
    steps = [[path_of(number) for number in range(HOT)], skewed(HOT_REQUESTS), [], skewed(HOT_REQUESTS)]
    beside = iter(skewed(len(crawled) // CRAWLED_FOR_EACH))
    for number, path in enumerate(crawled, 1):
        steps[2].append(path)
        if number % CRAWLED_FOR_EACH == 0:
            steps[2].append(next(beside))
    misses = [_cache_misses(bench, server, steps[:count]) for count in range(1, len(steps) + 1)]
    before, during, after = (b - a for a, b in zip(misses, misses[1:]))
    # The crawler's requests are for files that were never asked for: all of them miss.
    during -= len(crawled)
    beside = len(steps[2]) - len(crawled)
    return {"memory": CACHE_MEMORY, "hot": HOT, "crawled": len(crawled), "misses": misses,
            **{phase: {"requests": requests, "hit_rate": 1 - missed / requests}
               for phase, requests, missed in (("before", HOT_REQUESTS, before), ("during", beside, during),
                                               ("after", HOT_REQUESTS, after))}}


def _cache_misses(bench, server, steps):
    """Of a sluice that was asked for the paths of these steps and then ended."""
    ports = free_ports(2)
    arguments = [*server.command("user", *ports), "--cache-memory", CACHE_MEMORY, "--log-level", "info"]
    try:
        process = bench.start("crawled", arguments, ports)
    except RuntimeError as error:
        if "cache-memory" in str(error):
            raise Failed("this sluice has no --cache-memory") from None
        raise
    try:
        with socket.create_connection(("127.0.0.1", ports[0]), timeout=60) as connection:
            for path in (path for step in steps for path in step):
                connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                _receive_file(connection)
    finally:
        process.stop()
    stopped = re.findall(r"stopped: (.*)", process.log.read_text())
    counts = dict(re.findall(r"(\w+)=(\d+)", stopped[-1])) if stopped else {}
    if "cache_misses" not in counts:
        raise Failed("this sluice does not say cache_misses when it stops")
    return int(counts["cache_misses"])


def _receive_file(connection):
    """One response, which must be that of a file. Throws Failed."""
    got = b""
    while (end := got.find(b"\r\n\r\n")) < 0 or len(got) < end + 4 + FILE_SIZE:
        more = connection.recv(65536)
        if not more:
            break
        got += more
    if not got.startswith(b"HTTP/1.1 200 ") or len(got) != end + 4 + FILE_SIZE:
        raise Failed(f"a wrong response: {got[:80]!r}")


@contextmanager
def slow_disk(bench, folder):
    """A file system at the folder whose answers come as late as it is told. Gives what tells it."""
    if "slow-disk" not in bench.programs:
        raise Failed("slow-disk was not built")
    program = subprocess.Popen(pinned([bench.programs["slow-disk"], folder], bench.client_cpus), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def answer(command):
        said = program.stdout.readline().strip()
        if not said.startswith("ok"):
            raise Failed(f"no slow disk here: {command}: {said or 'it has ended'}")

    def tell(command):
        program.stdin.write(command + "\n")
        program.stdin.flush()
        answer(command)
    try:
        answer("mount")
        yield tell
    finally:
        # It unmounts itself. Whoever still waits for it gets an error.
        program.stdin.close()
        program.wait()


class ColdClients:
    """Connections that ask for files which nobody has read yet, one after the other, until they are stopped."""

    def __init__(self, port, paths):
        self.answered = 0  # with the file, in time
        self.paths = paths
        self.lock = threading.Lock()
        self.is_over = False
        self.connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(COLD_CONNECTIONS)]
        self.threads = [threading.Thread(target=self.ask, args=(c,)) for c in self.connections]
        for thread in self.threads:
            thread.start()

    def ask(self, connection):
        good = True
        while good and not self.is_over:
            with self.lock:
                path = next(self.paths)
            try:
                connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                good = receive(connection)
            except OSError:
                good = False
            with self.lock:
                self.answered += good and not self.is_over

    def stop(self):
        self.is_over = True
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the server has closed it
        for thread in self.threads:
            thread.join()
        for connection in self.connections:
            connection.close()


def receive(connection):
    """Reads one response to its end. Whether it is one with a file, all of it."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.recv(65536)
        if not more:
            return False
        got += more
    head, _, content = got.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    missing = int(length[1]) - len(content) if length else 0
    while missing > 0:
        more = connection.recv(65536)
        if not more:
            return False
        missing -= len(more)
    return head.startswith(b"HTTP/1.1 200 ")


def disk(bench, server, rounds, seconds):
    """The p99 of files in the page cache, in microseconds: alone, beside connections that ask for files of a disk whose
    reads take 200 ms, and beside some that ask for files of one that never answers. One worker for all of it."""
    for size in SIZES:
        shutil.copy2(bench.file(size), server.site)
    mounted = server.site / "cold"
    mounted.mkdir()
    found = {str(case): {"alone": [], "slow": [], "hung": []} for case in DISK_CASES}
    answered = {"slow": [], "hung": []}
    failed = {}
    with slow_disk(bench, mounted) as tell:
        names = [f"{name}-{number}" for number in range(COLD_FILES) for name in COLD_SIZES]
        for name in names:
            tell(f"file {name} {COLD_SIZES[name.partition('-')[0]]}")
        paths = itertools.cycle(f"cold/{name}" for name in names)
        try:
            server.start(kernel=False)
            check(bench, server, DISK_CASES)
            for _ in range(rounds):
                for case in DISK_CASES:
                    for disk, rule in (("alone", None), ("slow", f"delay read * {READ_MS}"), ("hung", "hold read *")):
                        endpoint = server.endpoint(case)
                        if not rule:
                            found[str(case)][disk].append(measure(bench, case, endpoint, seconds)["p99_us"])
                            continue
                        tell(rule)
                        clients = ColdClients(server.endpoint(DISK_CASES[0]).port, paths)
                        try:
                            time.sleep(2 * READ_MS / 1000)
                            found[str(case)][disk].append(measure(bench, case, endpoint, seconds)["p99_us"])
                        except Failed as reason:
                            failed[f"{disk}, {case}"] = str(reason)
                        finally:
                            clients.is_over = True
                            # First: a server that waits for the disk does not see its clients go.
                            tell("release")
                            clients.stop()
                        answered[disk].append(clients.answered)
        finally:
            server.stop()
    if not failed and not min(answered["slow"]):
        raise Failed("not one file of the slow disk was sent")
    # What else the machine does only adds to them: the lowest figure says most of the server.
    return {"cases": {case: {disk: min(figures, default=None) for disk, figures in of_case.items()}
                      for case, of_case in found.items()},
            "failures": failed, "answered": {disk: sum(counts) for disk, counts in answered.items()}}

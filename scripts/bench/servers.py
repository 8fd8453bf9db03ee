"""The servers that are compared, how each is started, and proof that each sends the right bytes."""

import hashlib
import os
import re
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from files import missing_path, path_of
from plan import BROWSER_FIELDS, FILES, FILE_SIZE, KERNEL, SIZES, TRANSPORTS
from processes import Process, free_ports, most_files

HERE = Path(__file__).parent
SPARE = 1000  # descriptors for other things than files

# For curl and wrk: they offer this one cipher, so every server uses it.
CLIENT_OPENSSL = """openssl_conf = settings
[settings]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
"""


class Unavailable(Exception):
    """Says why a server has no figure for a case."""


@dataclass
class Bench:
    """What all servers share."""

    work: Path  # a folder of this run, gone after it
    programs: dict  # name: path
    server_cpus: list
    client_cpus: list
    kernel_tls: bool

    def __post_init__(self):
        self.site = self.work / "site"
        self.certificate, self.key = self.work / "localhost.pem", self.work / "localhost.key"
        self.authority = self.work / "ca.pem"
        self.site.mkdir()
        for name, size in SIZES.items():
            self.file(name).write_bytes(os.urandom(size))
        (self.work / "openssl.cnf").write_text(CLIENT_OPENSSL)
        self.client_environment = {**os.environ, "OPENSSL_CONF": str(self.work / "openssl.cnf")}

    def file(self, size):
        return self.site / size.replace(" ", "")

    def start(self, name, arguments, ports, cpus=None):
        log = self.work / f"{name}-{ports[0]}.log"
        process = Process(arguments, log, cpus or self.server_cpus)
        try:
            process.wait_for(ports)
        except BaseException:
            process.stop()
            raise
        return process


@dataclass
class Endpoint:
    """Where a server answers one case, and the process whose work that is."""

    process: Process
    port: int
    secure: bool
    path: str
    response_bytes: int = 0  # head and content, once `check` has seen them
    fields: tuple = ()  # of each request, besides wrk's own: once `check` has asked for tag and date

    @property
    def url(self):
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}{self.path}"


class Server:
    """One of the servers. `transports` are those it has on this kernel; the rest is explained by `endpoint`."""

    name = ""
    kernel_transports = ("kernel",)

    def __init__(self, bench, site=None):
        self.bench = bench
        self.site = site or bench.site
        self.processes = {}  # transport: process and its ports for HTTP and HTTPS
        self.endpoints = {}

    def command(self, transport, port, tls_port):
        raise NotImplementedError

    def start(self, kernel=True):
        """One process for plaintext and user TLS, and one more for kernel TLS if it is wanted."""
        self.processes["user"] = self.processes["plain"] = self._start("user")
        if kernel and self.bench.kernel_tls:
            for transport in KERNEL:
                if transport in self.kernel_transports:
                    self.processes[transport] = self._start(transport)

    def _start(self, transport):
        ports = free_ports(2)
        return self.bench.start(self.name, self.command(transport, *ports), ports), *ports

    def endpoint(self, case):
        """Where to measure the case. Throws Unavailable."""
        key = self.key(case)
        if key not in self.endpoints:
            self.endpoints[key] = self.new_endpoint(case)
        return self.endpoints[key]

    def key(self, case):
        return case.transport, case.size, case.load.browser

    def new_endpoint(self, case):
        self.require(case.transport)
        process, port, tls_port = self.processes[case.transport]
        secure = case.transport != "plain"
        return Endpoint(process, tls_port if secure else port, secure, f"/{self.bench.file(case.size).name}")

    def require(self, transport):
        if transport in KERNEL and not self.bench.kernel_tls:
            raise Unavailable("this kernel has no kernel TLS")
        if transport in KERNEL and transport not in self.kernel_transports:
            raise Unavailable(f"this version of {self.name} has no {TRANSPORTS[transport]}")

    def stop(self):
        for process in {id(p[0]): p[0] for p in self.processes.values()}.values():
            process.stop()


class Sluice(Server):
    name = "sluice"
    kernel_transports = KERNEL

    def command(self, transport, port, tls_port, workers=1):
        return [self.bench.programs["sluice"], "serve", self.site, "--workers", workers, "--port", port,
                "--tls-port", tls_port, "--cert", self.bench.certificate, "--key", self.bench.key,
                "--ktls", "auto" if transport in KERNEL else "off",
                "--ktls-receive", "on" if transport == "both" else "off", "--idle-timeout", "600"]


class Floor(Server):
    """One process for each transport and file, and one that closes connections: it can't tell requests apart."""

    name = "floor"

    def start(self, kernel=True):
        pass

    def key(self, case):
        return case.transport, case.size, case.load.keeps_alive, case.load.browser

    def new_endpoint(self, case):
        self.require(case.transport)
        [port] = free_ports(1)
        arguments = [self.bench.programs["floor"], "-p", port, "-f", self.bench.file(case.size)]
        arguments += ["-m", {"plain": "plain", "user": "tls", "kernel": "ktls"}[case.transport]]
        arguments += ["-c", self.bench.certificate, "-k", self.bench.key]
        if not case.load.keeps_alive:
            arguments.append("-x")
        if case.load.browser == "revalidates":
            arguments.append("-n")
        process = self.bench.start(self.name, arguments, [port])
        self.processes[self.key(case)] = process, port, port
        return Endpoint(process, port, case.transport != "plain", "/")


class Peer(Server):
    """A server that is started with a configuration of this folder."""

    program = ""  # as the configuration is called, too
    options = {"user": "", "kernel": ""}
    open_files = ""  # the configuration's lines about its cache of open files
    user = ""  # the configuration's line that keeps a worker root, if we are

    def command(self, transport, port, tls_port):
        folder = self.bench.work / f"{self.program}-{port}"
        folder.mkdir(exist_ok=True)
        text = (HERE / f"{self.program}.conf.in").read_text()
        values = {"WORK": folder, "SITE": self.site, "PORT": port, "TLS_PORT": tls_port,
                  "CERT": self.bench.certificate, "KEY": self.bench.key, "KTLS": self.options[transport],
                  "USER": self.user if os.geteuid() == 0 else "", "OPEN_FILES": self.open_files,
                  "DESCRIPTORS": most_files()}
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        (folder / "conf").write_text(text)
        return self.arguments(folder / "conf")

    def arguments(self, configuration):
        raise NotImplementedError


class Nginx(Peer):
    name = program = "nginx"
    options = {"user": "-KTLS", "kernel": "KTLS"}
    user = "user root;"
    open_files = "open_file_cache max=1024 inactive=600s; open_file_cache_valid 600s;"

    def arguments(self, configuration):
        return [self.bench.programs["nginx"], "-e", "stderr", "-c", configuration]


class NginxWithoutCache(Nginx):
    open_files = ""


class NginxWithLargeCache(Nginx):
    name = "nginx, open_file_cache"

    @property
    def open_files(self):
        return f"open_file_cache max={large_cache()} inactive=600s; open_file_cache_valid 600s;"


def large_cache():
    """For how many open files nginx gets a cache: more than there are, where this process may open as many."""
    return min(2 * FILES, most_files() - SPARE)


class Lighttpd(Peer):
    name = program = "lighttpd"
    options = {"user": "-KTLS", "kernel": "KTLS"}

    def start(self, kernel=True):
        # It keeps a file open for some seconds, however many there are, and then has none left to answer with.
        if self.site != self.bench.site and most_files() < FILES + SPARE:
            raise Unavailable(f"it would keep {FILES} files open, and may open {most_files()} here")
        super().start(kernel)

    def arguments(self, configuration):
        return [self.bench.programs["lighttpd"], "-D", "-f", configuration]


class H2O(Peer):
    name = program = "h2o"
    user = "user: root"
    kernel_transports = ()

    def arguments(self, configuration):
        return [self.bench.programs["h2o"], "-m", "worker", "-c", configuration]


PEERS = [Nginx, Lighttpd, H2O]
# For the large working set. A cache of fewer open files than that helps nginx less than none.
FILE_PEERS = [NginxWithoutCache, NginxWithLargeCache, Lighttpd, H2O]


def find_program(name):
    """A path, or None. Servers are often in sbin, which may not be on PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")


def check(bench, server, cases):
    """Fetches what each case fetches, by curl, which also verifies the certificate. Throws RuntimeError on other bytes.

    One curl for all: in the lab it takes seconds to start one."""
    endpoints = []
    for case in cases:
        try:
            endpoint = server.endpoint(case)
        except Unavailable:
            continue
        if case.load.browser:
            check_browser(bench, server, case, endpoint)
        else:
            endpoints.append((case, endpoint))
    if not endpoints:
        return
    arguments = ["curl", "--silent", "--show-error", "--fail", "--http1.1", "--cacert", bench.authority,
                 "--write-out", "%{size_header}\n"]
    for number, (_, endpoint) in enumerate(endpoints):
        arguments += ["--output", bench.work / f"got-{number}", endpoint.url]
    result = subprocess.run(arguments, env=bench.client_environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{server.name} does not answer as it should: {result.stderr.strip()}")
    for number, ((case, endpoint), head) in enumerate(zip(endpoints, result.stdout.split())):
        got = bench.work / f"got-{number}"
        if _digest(got) != _digest(bench.file(case.size)):
            raise RuntimeError(f"{server.name} sends wrong bytes: {case}")
        endpoint.response_bytes = int(head) + SIZES[case.size]
        got.unlink()


def check_browser(bench, server, case, endpoint):
    """The same with a browser's fields. To a revalidation with the server's own tag and date the answer has to be 304."""
    got = bench.work / "got"

    def fetch(*arguments):
        result = subprocess.run(["curl", "--silent", "--show-error", "--http1.1", "--cacert", bench.authority, "--output", got,
                                 *arguments, endpoint.url], env=bench.client_environment, capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(f"{server.name} does not answer as it should: {result.stderr.strip()}")
        return result.stdout

    endpoint.fields, expected = BROWSER_FIELDS, (200, SIZES[case.size])
    if case.load.browser == "revalidates":
        head = fetch("--dump-header", "-")
        known = {name.lower(): value for name, value in re.findall(r"^([\w-]+): *(.*?)\r?$", head, re.MULTILINE)}
        if not {"etag", "last-modified"} <= known.keys():
            raise RuntimeError(f"{server.name} says no tag or no date: {head}")
        endpoint.fields += f"If-None-Match: {known['etag']}", f"If-Modified-Since: {known['last-modified']}"
        expected = 304, 0
    got.unlink(missing_ok=True)
    fields = [argument for field in endpoint.fields for argument in ("--header", field)]
    status, head, size = map(int, fetch(*fields, "--write-out", "%{http_code} %{size_header} %{size_download}").split())
    if (status, size) != expected or (size and _digest(got) != _digest(bench.file(case.size))):
        raise RuntimeError(f"{server.name} sends something else than it should: {case}: {status}, {size} bytes")
    endpoint.response_bytes = head + size
    got.unlink(missing_ok=True)


def check_files(bench, server, cases):
    """Fetches some of the files of the large working set, and names that don't exist. Throws RuntimeError on other bytes
    and on another status than 404."""
    files, missing = range(0, FILES, FILES // 100), range(0, FILES, FILES // 10)
    paths = [path_of(number) for number in files] + [missing_path(number) for number in missing]
    endpoint = server.endpoint(cases[0])
    arguments = ["curl", "--silent", "--show-error", "--write-out", "%{http_code} %{size_header} %{size_download}\n"]
    for number, path in enumerate(paths):
        arguments += ["--output", bench.work / f"got-{number}", f"http://127.0.0.1:{endpoint.port}/{path}"]
    result = subprocess.run(arguments, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{server.name} does not answer as it should: {result.stderr.strip()}")
    found = [tuple(map(int, line.split())) for line in result.stdout.splitlines()]
    for number, path in enumerate(paths):
        expected = (200, FILE_SIZE) if number < len(files) else (404, found[-1][2])
        status, _, size = found[number]
        got = bench.work / f"got-{number}"
        if (status, size) != expected or (status == 200 and _digest(got) != _digest(server.site / path)):
            raise RuntimeError(f"{server.name} sends something else than it should for /{path}: {status}, {size} bytes")
        got.unlink(missing_ok=True)
    lengths = [head + size for _, head, size in found]
    for case in cases:
        of_case = lengths[len(files):] if case.load.draw == "missing" else lengths[:len(files)]
        # Heads may differ by a digit or two of an entity tag.
        server.endpoint(case).response_bytes = statistics.mean(of_case)


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()

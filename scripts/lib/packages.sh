# shellcheck shell=bash
# Helpers that the other scripts source. Nothing happens until a function is called.
#
#   repo_root            prints the top folder of this repository
#   cache_dir            prints (and makes) the cache folder
#   need_packages NAME…  installs the Debian packages among NAMEs that are missing
#   need_servers SERVICES NAME…  the same, and the services among them (a word each) are not started, now or at a boot
#   as_root COMMAND…     runs it as root
#   require_swift        ends the script if there is no Swift toolchain
#   die MESSAGE          prints MESSAGE on stderr, ends the script with status 1
#
# Environment:
#   SLUICE_CACHE   the cache folder (default: .cache at the top of the repository, ignored by git)

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

require_swift() {
    command -v swift >/dev/null || die "no Swift toolchain: install Swift 6.2 or later (swift.org) and put it on PATH"
}

repo_root() {
    (cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
}

cache_dir() {
    local folder
    folder=${SLUICE_CACHE:-$(repo_root)/.cache}
    mkdir -p "$folder" || die "cannot make the cache folder $folder: set SLUICE_CACHE to one that is writable"
    (cd "$folder" && pwd -P)
}

# Prints those of the named packages that are not installed.
missing_packages() {
    local name
    for name in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || printf '%s\n' "$name"
    done
}

# Runs apt-get as root, quietly: what it printed is shown only if it failed.
apt_quietly() {
    local log
    local -a command=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@")
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "not root and no sudo: as root, run: apt-get $*"
        command=(sudo "${command[@]}")
    fi
    log=$(mktemp)
    if "${command[@]}" >"$log" 2>&1 </dev/null; then
        rm -f "$log"
    else
        cat "$log" >&2
        rm -f "$log"
        die "failed (the output is above): apt-get $*"
    fi
}

# Brings the package lists up to date, once in a script's life.
refresh_package_lists() {
    [[ -z ${package_lists_are_fresh:-} ]] || return 0
    apt_quietly update
    package_lists_are_fresh=yes
}

need_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        die "no apt-get here: install what these Debian packages hold, by your system's means: $*"
    fi
    local -a missing
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} > 0)) || return 0
    printf '%s: installing %s\n' "${0##*/}" "${missing[*]}" >&2
    refresh_package_lists
    apt_quietly install --no-install-recommends "${missing[@]}"
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# Debian starts a server when it installs it, and again at every boot. We want its program, not the service.
need_servers() {
    local policy=/usr/sbin/policy-rc.d
    local -a services
    read -ra services <<<"$1"
    shift
    [[ -n $(missing_packages "$@") ]] || return 0
    if [[ ! -e $policy ]]; then
        # Whatever happens, it must not stay: it keeps every service from being started.
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
        need_packages "$@"
        as_root rm -f "$policy"
        trap - EXIT
    else
        need_packages "$@"
    fi
    ((${#services[@]} == 0)) || ! command -v systemctl >/dev/null ||
        as_root systemctl disable --quiet "${services[@]}" >/dev/null 2>&1 || true
}

# shellcheck shell=bash
# Helpers that the other scripts source. Nothing happens until a function is called.
#
#   repo_root            prints the top folder of this repository
#   cache_dir            prints (and makes) the cache folder
#   need_packages NAME…  installs the Debian packages among NAMEs that are missing
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

# shellcheck shell=bash
# The systems that users have, by Debian's suites: kernels, and the OpenSSL that comes with them. Packages are unpacked
# into the cache and never installed. For scripts that have sourced packages.sh and set $lab to a folder of the cache.
#
#   lane       kernel                      OpenSSL         capabilities  why
#   bookworm   6.1 of bookworm             3.0                           Debian 12
#   trixie     6.12 of trixie              3.5                           Debian 13
#   newest     7.x of trixie-backports     3.6 of forky    all           what is to come
#
# Capabilities are what tests expect there: in SLUICE_LAB_CAPABILITIES. rekey: kernel TLS takes a new transmit key;
# small-records: it makes records as small as it is told to.
#
#   prepare_lane LANE    makes $lab/lanes/LANE: kernel/vmlinuz, kernel/lib/modules/V, and system/, which has the loader,
#                        libc, libssl, libcrypto, the openssl command, and nginx with what it needs. Remove the folder to get
#                        newer ones.

lanes='bookworm trixie newest'

lane_suites() {
    case $1 in
    bookworm) printf 'bookworm bookworm\n' ;;
    trixie) printf 'trixie trixie\n' ;;
    newest) printf 'trixie-backports forky\n' ;;
    *) die "there is no lane $1: there are $lanes" ;;
    esac
}

lane_capabilities() {
    case $1 in
    newest) printf 'rekey small-records\n' ;;
    esac
}

# A tool of apt's (apt-get, apt-cache) with lists, cache and sources of the suite's own: $1 the tool, $2 the suite.
suite_apt() {
    local tool=$1 state=$lab/suites/$2
    shift 2
    "$tool" -q -o Dir::Etc::sourcelist="$state/sources" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$state/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$state/cache" \
        -o APT::Architecture=amd64 -o APT::Sandbox::User=root "$@"
}

# From where this machine gets Debian's packages.
debian_mirror() {
    # shellcheck disable=SC2016  # apt's variables, not the shell's
    apt-get indextargets --format '$(ORIGIN)|$(IDENTIFIER)|$(REPO_URI)' |
        sed -n 's/^Debian|Packages|//p' | head -n 1
}

prepare_suite() {
    local suite=$1 mirror state=$lab/suites/$1
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    mirror=$(debian_mirror)
    if [[ ! $mirror ]]; then
        refresh_package_lists
        mirror=$(debian_mirror)
    fi
    [[ $mirror ]] || die "no source of Debian's packages in /etc/apt (is this Debian?)"
    printf 'deb %s %s main\n' "$mirror" "$suite" >"$state/sources"
    suite_apt apt-get "$suite" update >"$state/log" 2>&1 || die "cannot list the packages of $suite: $(tail -n 1 "$state/log")"
}

# Unpacks packages of the suite $1 into the folder $2.
unpack_packages() {
    local suite=$1 folder=$2 archives package
    shift 2
    archives=$(mktemp -d "$lab/archives.XXXXXX")
    (cd "$archives" && suite_apt apt-get "$suite" download "$@" >log 2>&1) ||
        die "cannot get $* of $suite: $(tail -n 1 "$archives/log")"
    for package in "$archives"/*.deb; do dpkg -x "$package" "$folder"; done
    rm -rf "$archives"
}

# The packages that linux-image-amd64 stands for in the suite: one, or from 7.x on kernel and modules apart. Not the "cloud"
# flavour, which lacks the 9p file system.
kernel_packages() {
    suite_apt apt-cache "$1" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances linux-image-amd64 | grep -xE 'linux-(image|binary|modules)-[0-9].*[0-9+a-z]-amd64' | sort -u
}

prepare_lane() {
    local lane=$1 suites kernel_suite system_suite new=$lab/lanes/$1.new libssl=libssl3t64
    suites=$(lane_suites "$lane")
    read -r kernel_suite system_suite <<<"$suites"
    [[ $system_suite != bookworm ]] || libssl=libssl3
    local -a system_packages=("$libssl" openssl libc6 libzstd1 zlib1g nginx libpcre2-8-0 libcrypt1)
    need_packages kmod
    [[ "$(cat "$lab/lanes/$lane/packages" 2>/dev/null)" != "${system_packages[*]}" ]] || return 0
    printf '%s: getting the lane %s\n' "${0##*/}" "$lane" >&2
    rm -rf "$new" "$lab/lanes/$lane"
    mkdir -p "$new/kernel" "$new/system"
    prepare_suite "$kernel_suite"
    [[ $system_suite == "$kernel_suite" ]] || prepare_suite "$system_suite"
    local -a packages
    mapfile -t packages < <(kernel_packages "$kernel_suite")
    ((${#packages[@]} > 0)) || die "$kernel_suite has no kernel"
    unpack_packages "$kernel_suite" "$new/kernel" "${packages[@]}"
    # Where /usr is merged, the modules are in usr/lib.
    [[ -d $new/kernel/lib/modules ]] || ln -s usr/lib "$new/kernel/lib"
    # It warns where the packages have lists of their own of what is built in.
    PATH=$PATH:/sbin:/usr/sbin depmod -b "$new/kernel" "$(ls "$new/kernel/lib/modules")" 2>"$new/log" ||
        die "depmod failed: $(tail -n 1 "$new/log")"
    (cd "$new/kernel" && ln -s "$(compgen -G 'boot/vmlinuz-*' || compgen -G 'lib/modules/*/vmlinuz')" vmlinuz)
    unpack_packages "$system_suite" "$new/system" "${system_packages[@]}"
    printf '%s\n' "${system_packages[*]}" >"$new/packages"
    mv "$new" "$lab/lanes/$lane"
}

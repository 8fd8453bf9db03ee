#!/usr/bin/env bash
# Tests the Debian package on a clean Debian in a chroot: makes it, installs it, serves, upgrades, removes and purges it, and looks
# for what is left. Needs root, and the network for the first time.
#
# Usage: scripts/package-test.sh [--suite SUITE] [--boot] [--keep-package]
#   --suite SUITE    Debian's release: bookworm (the default), trixie …
#   --boot           boots it besides, with systemd (systemd-nspawn), and looks at the service with all that its unit forbids
#   --keep-package   tests what is in build-packages, and makes nothing anew
#
# All that is started and mounted is in namespaces of its own, and gone with them however this ends. The network there is loopback
# and nothing else, so that no port of this machine is taken, and nothing is fetched meanwhile.
#
# Environment:
#   SLUICE_CACHE   see lib/packages.sh; 150 MB a suite. Remove its folder "package" to get the newest packages
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"
# shellcheck source=lib/lanes.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/lanes.sh"

repo=$(repo_root)
suite=bookworm keep='' boot='' work='' deb='' archive='' root='' server='' leader='' version=''

step() { printf '== %s (at %s s)\n' "$*" "$SECONDS"; }

# --- outside: what the test needs

# Debian, with all packages that sluice depends on ready to be installed, as an archive.
prepare_root() {
    local cache depends root mirror
    cache=$(cache_dir)/package
    depends=$(dpkg-deb --field "$deb" Depends)
    archive=$cache/$suite.tar
    [[ "$(cat "$archive.depends" 2>/dev/null)" != "$depends" ]] || return 0
    step "a root of $suite"
    need_packages debootstrap debian-archive-keyring
    mkdir -p "$cache"
    root=$work/$suite
    mirror=$(debian_mirror)
    [[ $mirror ]] || die "no source of Debian's packages in /etc/apt (is this Debian?)"
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$work/log" 2>&1 ||
        die "debootstrap failed: $(tail -n 1 "$work/log")"
    # And those that the test needs besides.
    cp "$deb" "$root/tmp/sluice.deb"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    chroot "$root" apt-get -q -y install --download-only --no-install-recommends /tmp/sluice.deb man-db \
        systemd systemd-sysv dbus \
        >"$work/log" 2>&1 || die "cannot get what sluice depends on: $(tail -n 1 "$work/log")"
    rm "$root/tmp/sluice.deb"
    tar -C "$root" -cf "$archive.new" .
    mv "$archive.new" "$archive"
    printf '%s\n' "$depends" >"$archive.depends"
    rm -rf "$root"
}

# The same package, but its version is higher.
make_upgrade() {
    dpkg-deb -R "$deb" "$work/upgrade"
    sed -i 's/^Version: .*/&+upgrade/' "$work/upgrade/DEBIAN/control"
    dpkg-deb --root-owner-group -Znone --build "$work/upgrade" "$work/upgrade.deb" >/dev/null
    rm -rf "$work/upgrade"
}

# --- inside: the test

inside() { chroot "$root" "$@"; }

install_package() {
    inside env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        die "failed (the output is above): apt-get $*"
    }
}

expect() {
    "${@:2}" || die "$1 (this failed: ${*:2})"
}

expect_not() {
    ! "${@:2}" || die "$1 (this should have failed: ${*:2})"
}

# Users, groups, and the names of all files but those that belong to apt, dpkg, or tools that keep a copy of what they change.
state() {
    sort "$root/etc/passwd" "$root/etc/group"
    (cd "$root" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./var/lib/dpkg -o -path ./var/lib/apt \
        -o -path ./var/cache -o -path ./var/log/apt -o -path ./var/log/dpkg.log -o -path './etc/*-' -o -path ./etc/.pwd.lock \) \
        -prune -o -print) | LC_ALL=C sort
}

# Starts sluice as the unit does: its user, its one capability. Arguments are more options.
start() {
    : >"$work/serve.log"
    chroot "$root" setpriv --reuid sluice --regid sluice --clear-groups --no-new-privs --bounding-set=-all,+net_bind_service \
        --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service \
        /usr/bin/sluice serve --config /etc/sluice/sluice.toml "$@" 2>"$work/serve.log" &
    server=$!
    until grep -q '^listening ' "$work/serve.log"; do
        kill -0 "$server" 2>/dev/null || die "sluice did not start: $(cat "$work/serve.log")"
        sleep 0.1
    done
}

stop() {
    local status=0
    kill -TERM "$server"
    wait "$server" || status=$?
    ((status == 0)) || die "sluice ended with $status: $(cat "$work/serve.log")"
}

welcomes() {
    curl -fsS --max-time 20 "$@" | cmp - "$repo/scripts/package/welcome/index.html"
}

is_enabled() {
    [[ -L $root/etc/systemd/system/$2.wants/$1 ]]
}

test_installed() {
    local file
    step "is installed"
    expect "the program runs" [ "$(inside sluice --version)" = "$version" ]
    expect "the configuration is right" inside sluice check --config /etc/sluice/sluice.toml
    expect "there is a user" inside getent passwd sluice >/dev/null
    expect "the service is enabled" is_enabled sluice.service multi-user.target
    expect_not "port 80 is not taken by systemd" is_enabled sluice-http.socket sockets.target
    expect_not "port 443 is not taken by systemd" is_enabled sluice-https.socket sockets.target
    for file in usr/share/man/man1/sluice{,-serve,-check,-doctor}.1.gz usr/lib/modules-load.d/sluice.conf \
        usr/share/bash-completion/completions/sluice usr/share/zsh/vendor-completions/_sluice \
        usr/share/fish/vendor_completions.d/sluice.fish usr/share/doc/sluice/{copyright,changelog.gz,README.md.gz,examples/sluice.toml}; do
        expect "$file is there" [ -s "$root/$file" ]
    done
    expect "bash reads the completions" bash -n "$root/usr/share/bash-completion/completions/sluice"
}

test_serving() {
    step "serves"
    start
    expect "it runs as sluice" [ "$(stat -c %u "/proc/$server")" = "$(inside id -u sluice)" ]
    expect "a page comes over IPv4" welcomes http://127.0.0.1:8080/
    expect "a page comes over IPv6" welcomes 'http://[::1]:8080/'
    stop
    "$repo/scripts/certs.sh" --out "$work/certs" >/dev/null 2>&1
    install -d "$root/srv/tls"
    cp "$work/certs"/localhost.{pem,key} "$root/srv/tls/"
    inside chown sluice: /srv/tls/localhost.key
    start --port 80 --tls-port 443 --cert /srv/tls/localhost.pem --key /srv/tls/localhost.key
    expect "a page comes over port 80" welcomes http://localhost/
    expect "a page comes over HTTPS" welcomes --cacert "$work/certs/ca.pem" https://localhost/
    stop
    rm -r "$root/srv/tls"
}

test_upgrade() {
    step "upgrade"
    printf '# changed\n' >>"$root/etc/sluice/sluice.toml"
    # As `systemctl disable` does.
    rm "$root/etc/systemd/system/multi-user.target.wants/sluice.service"
    start
    install_package install /tmp/upgrade.deb
    # shellcheck disable=SC2016  # dpkg's variable, not the shell's
    expect "the version is higher" [ "$(inside dpkg-query -W -f '${Version}' sluice)" = "$version+upgrade" ]
    expect "what was running goes on" welcomes http://127.0.0.1:8080/
    stop
    expect "a changed configuration stays" grep -qx '# changed' "$root/etc/sluice/sluice.toml"
    expect_not "who has disabled the service finds it disabled" is_enabled sluice.service multi-user.target
    start
    expect "the new one serves" welcomes http://127.0.0.1:8080/
    stop
}

test_removal() {
    step "removal, and a purge"
    install_package remove sluice
    expect_not "the program is removed" [ -e "$root/usr/bin/sluice" ]
    expect "the configuration stays" [ -e "$root/etc/sluice/sluice.toml" ]
    expect "the user stays" inside getent passwd sluice >/dev/null
    # What systemd makes for the service.
    install -d -o "$(inside id -u sluice)" "$root/var/log/sluice"
    touch "$root/var/log/sluice/access.log"
    install_package purge sluice
    expect "nothing is left" diff "$work/before" <(state)
    step "a purge at once"
    install_package install /tmp/sluice.deb
    install_package purge sluice
    expect "nothing is left" diff "$work/before" <(state)
}

# With the systemd of this Debian.
test_units() {
    local figure
    step "units"
    install_package install systemd man-db /tmp/sluice.deb
    expect "man finds the page of a subcommand" inside man -w sluice serve >/dev/null
    inside systemd-analyze verify --man=no --recursive-errors=no sluice.service sluice-http.socket sluice-https.socket \
        >"$work/verify" 2>&1 || true
    expect "nothing is wrong with the units: $(cat "$work/verify")" [ ! -s "$work/verify" ]
    figure=$(inside systemd-analyze security --offline=true --no-pager sluice.service | sed -n 's/.*Overall exposure level for sluice.service: \([0-9.]*\).*/\1/p')
    printf 'systemd-analyze security: %s (%s)\n' "$figure" "$(inside systemd-analyze --version | head -n 1)"
    # In tenths.
    expect "the service is shut off well" [ "${figure/./}" -le "$exposure" ]
}

# A root of its own network, in which nothing is mounted yet but what every program needs.
enter_root() {
    version=$(dpkg-deb --field "$root/tmp/sluice.deb" Version)
    ip link set lo up
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
}

install_dependencies() {
    local -a names
    mapfile -t names < <(dpkg-deb --field "$root/tmp/sluice.deb" Depends | tr ',' '\n' | sed -E 's/^ *([^ ]+).*/\1/')
    install_package install "${names[@]}" "$@"
}

run_in_chroot() {
    trap '[[ ! $server ]] || kill -KILL "$server" 2>/dev/null || true' EXIT
    enter_root
    step "what sluice depends on"
    install_dependencies
    state >"$work/before"
    step "installation"
    install_package install /tmp/sluice.deb
    test_installed
    test_serving
    test_upgrade
    test_removal
    test_units
}

# --- inside, with systemd

# Runs a command in the booted system.
booted() {
    nsenter -t "$leader" -m -u -i -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}

journal() {
    booted journalctl --no-pager --output cat -u sluice.service
}

boot_system() {
    local nspawn
    # systemd is to have a hierarchy of its own, of the newer kind, whatever this machine has.
    umount -R /sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir -p "/sys/fs/cgroup/${work##*/}"
    printf '%s\n' "$BASHPID" >"/sys/fs/cgroup/${work##*/}/cgroup.procs"
    mount -t tmpfs tmpfs /run
    mkdir /run/systemd
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --register=no --keep-unit --link-journal=no --boot \
        --console=read-only --directory "$root" >"$work/console" 2>&1 </dev/null &
    nspawn=$!
    for ((i = 0; i < 300; i++)); do
        kill -0 "$nspawn" 2>/dev/null || die "the system did not boot: $(tail -n 5 "$work/console")"
        leader=$(pgrep -P "$nspawn" -x systemd || true)
        if [[ $leader ]] && [[ "$(booted systemctl is-system-running 2>/dev/null || true)" =~ ^(running|degraded)$ ]]; then return; fi
        sleep 0.2
    done
    die "the system does not come up: $(tail -n 5 "$work/console")"
}

# Port 80 is systemd's: it has it before Sluice runs, and starts it for the first who comes. Not 443, for want of a certificate.
test_socket() {
    step "socket"
    booted systemctl stop sluice.service
    booted systemctl start sluice-http.socket
    expect "a page comes over port 80" welcomes http://127.0.0.1/
    expect "a page comes over IPv6" welcomes 'http://[::1]/'
    booted systemctl restart sluice.service
    expect "a page comes from the next one" welcomes http://127.0.0.1/
    booted systemctl stop sluice-http.socket sluice.service
    booted systemctl start sluice.service
}

# systemctl says what has come of it.
test_reload() {
    local file=/etc/sluice/sluice.toml
    step "reload"
    expect "it can be told to reload" booted systemctl reload sluice.service
    booted cp -p "$file" /root/sluice.toml
    printf 'nonsense = 1\n' | booted tee "$file" >/dev/null
    expect_not "what is wrong is not taken for done" booted systemctl reload sluice.service
    expect "the service runs" booted systemctl is-active --quiet sluice.service
    booted cp -p /root/sluice.toml "$file"
    expect "what is right again is taken" booted systemctl reload sluice.service
    expect "a page comes behind it" welcomes http://127.0.0.1:8080/
}

# Another process, which systemd takes for the service from then on.
test_takeover() {
    local before
    step "takeover"
    before=$(main_pid)
    expect "another process takes over" booted sluice upgrade --process "$before"
    for ((i = 0; i < 100; i++)); do [[ $(main_pid) == "$before" ]] || break; sleep 0.1; done
    expect_not "systemd knows the new one" [ "$(main_pid)" = "$before" ]
    expect "the service runs" booted systemctl is-active --quiet sluice.service
    expect "a page comes" welcomes http://127.0.0.1:8080/
    expect "the new one can be told to reload" booted systemctl reload sluice.service
}

main_pid() {
    booted systemctl show --property MainPID --value sluice.service
}

run_booted() {
    local before drop_in=/etc/systemd/system/sluice.service.d/test.conf
    enter_root
    step "systemd"
    install_dependencies systemd systemd-sysv dbus
    # The packages are where nothing is mounted over them.
    mv "$root/tmp"/*.deb "$root/root/"
    umount -R "$root/run" "$root/dev" "$root/proc"
    step "boot"
    boot_system
    booted mkdir -p "${drop_in%/*}"
    printf '[Service]\nTimeoutStartSec=10\n' | booted tee "$drop_in" >/dev/null
    step "the service"
    booted dpkg -i /root/sluice.deb >"$work/log" 2>&1 || die "cannot install it: $(cat "$work/log")"
    expect "the service runs" booted systemctl is-active --quiet sluice.service
    expect "a page comes" welcomes http://127.0.0.1:8080/
    # Sluice warns of what it lacks.
    expect_not "what the unit forbids is not missed" grep -qE ' (warning|error|critical) ' <(journal)
    test_reload
    test_takeover
    test_socket
    step "upgrade"
    before=$(main_pid)
    booted dpkg -i /root/upgrade.deb >"$work/log" 2>&1 || die "cannot upgrade it: $(cat "$work/log")"
    expect "the service runs" booted systemctl is-active --quiet sluice.service
    expect_not "the service is started anew" [ "$(main_pid)" = "$before" ]
    booted systemctl --quiet disable --now sluice.service 2>/dev/null
    booted dpkg -i /root/upgrade.deb >"$work/log" 2>&1 || die "cannot install it again: $(cat "$work/log")"
    expect_not "who has stopped and disabled the service finds it so" booted systemctl is-active --quiet sluice.service
    booted systemctl --quiet enable --now sluice.service 2>/dev/null
    expect "the service runs again" booted systemctl is-active --quiet sluice.service
    step "removal, and a purge"
    booted rm -r "${drop_in%/*}"
    booted dpkg --remove sluice >"$work/log" 2>&1 || die "cannot remove it: $(cat "$work/log")"
    expect_not "the service is stopped" curl -fso /dev/null --max-time 5 http://127.0.0.1:8080/
    booted dpkg --purge sluice >"$work/log" 2>&1 || die "cannot purge it: $(cat "$work/log")"
    expect_not "no user is left" booted getent passwd sluice
    expect "nothing is left: $(find "$root/etc" "$root/var" "$root/usr" -xdev -name '*sluice*')" \
        [ ! "$(find "$root/etc" "$root/var" "$root/usr" -xdev -name '*sluice*')" ]
}

# The most that `systemd-analyze security` may say, in tenths (0 to 100).
exposure=18

if [[ ${1:-} == --inside ]]; then
    work=$3 root=$3/root
    "run_$2"
    exit
fi

while (($#)); do
    case $1 in
    --suite)
        (($# > 1)) || die "--suite needs a name: --suite bookworm"
        suite=$2
        shift
        ;;
    --boot) boot=yes ;;
    --keep-package) keep=yes ;;
    -h | --help)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
        exit
        ;;
    *) die "unknown argument '$1': use [--suite SUITE] [--boot] [--keep-package]" ;;
    esac
    shift
done
((EUID == 0)) || die "run this as root: it makes a Debian system and works in it"
need_packages curl openssl util-linux iproute2 diffutils procps
[[ ! $boot ]] || need_packages systemd-container
if [[ $keep ]]; then
    # The newest, if there are several.
    deb=$(find "$repo/build-packages" -name 'sluice_*.deb' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d ' ' -f 2-)
    [[ $deb ]] || die "there is no package in build-packages: leave --keep-package out"
else
    deb=$("$repo/scripts/package.sh" | grep '\.deb$')
fi
# Not in /tmp, which may be mounted without devices, or be small.
mkdir -p "$(cache_dir)/package"
work=$(mktemp -d "$(cache_dir)/package/run.XXXXXX")

clean_up() {
    rm -rf --one-file-system "$work"
    # The control groups of what was booted, which outlive it.
    [[ ! $boot ]] || unshare --mount sh -c "mount -t cgroup2 cgroup2 /mnt && find '/mnt/${work##*/}' -depth -type d -exec rmdir {} +" 2>/dev/null || true
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs the function run_$1 in a system of its own: in namespaces, all of which end with it.
run_inside() {
    step "unpacking $suite"
    rm -rf --one-file-system "$work/root"
    mkdir "$work/root"
    tar -C "$work/root" -xf "$archive"
    cp "$deb" "$work/root/tmp/sluice.deb"
    cp "$work/upgrade.deb" "$work/root/tmp/upgrade.deb"
    unshare --mount --pid --fork --kill-child --net --mount-proc "$0" --inside "$1" "$work"
}

prepare_root
make_upgrade
run_inside in_chroot
[[ ! $boot ]] || run_inside booted
printf 'The package is right on %s: %s s.\n' "$suite" "$SECONDS"

#!/usr/bin/env bash
# Runs a command on a kernel that has kernel TLS: this one if it does, else Debian's kernel under QEMU ("the lab").
#
# Usage: scripts/ktls-lab.sh [--lane LANE --with PROGRAM…] COMMAND [ARG…]
#
#   --lane LANE      the small lab: kernel and OpenSSL of a lane (bookworm, trixie, newest; see lib/lanes.sh) in a system
#                    that holds nothing but what is named, and boots in seconds
#   --with PROGRAM   what the command needs there besides itself, its libraries and busybox: a name in PATH, or a path
#
# The command runs with the caller's working folder, arguments and environment; its output and its exit status come
# back. In the lab it is root, stdin is empty, and it sees this machine's own files, copy on write: what it changes is
# lost, except below SLUICE_LAB_OUT. Every read of such a file crosses into the emulator and is slow, so copy what you
# serve to a new file below /tmp first, which lies in memory. There is no network but loopback.
#
# Environment:
#   SLUICE_LAB_OUT      a folder that the command may really write to (made if missing; default: none)
#   SLUICE_LAB_CPUS     virtual CPUs (default 2)
#   SLUICE_LAB_MEMORY   memory (default 3G)
#   SLUICE_LAB_TIMEOUT  seconds, boot included (default 1200); then the lab is killed and the status is 124
#   SLUICE_LAB_ICOUNT   1: one CPU, and a clock that advances 1 ns an instruction, so that time counts instructions
#   SLUICE_LAB_FORCE    1: use the lab even where this kernel has kernel TLS
#   SLUICE_CACHE        see lib/packages.sh; about 450 MB. Remove its folder "lab" to get the newest kernels
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"
# shellcheck source=lib/lanes.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/lanes.sh"
# shellcheck source=lib/small-lab.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/small-lab.sh"

virtme_version=1.42
vm='' run='' followers=()

this_kernel_has_ktls() {
    ((EUID != 0)) || modprobe tls 2>/dev/null || true
    grep -qw tls /proc/sys/net/ipv4/tcp_available_ulp 2>/dev/null
}

prepare_virtme() {
    [[ $("$lab/venv/bin/vng" --version 2>/dev/null) == *" $virtme_version" ]] && return
    printf '%s: installing virtme-ng %s\n' "${0##*/}" "$virtme_version" >&2
    rm -rf "$lab/venv"
    /usr/bin/python3 -m venv "$lab/venv" || die "python3 -m venv failed: install the package python3-venv"
    "$lab/venv/bin/pip" -q --disable-pip-version-check install "virtme-ng==$virtme_version" ||
        die "cannot install virtme-ng $virtme_version from PyPI (pip's message is above)"
}

# /dev/kvm may open and yet run nothing (nested virtualisation), so see whether the kernel gets as far as missing its
# root file system. The answer is kept for this host kernel.
kvm_works() {
    local verdict
    verdict=$lab/kvm-on-$(uname -r)
    [[ -r /dev/kvm && -w /dev/kvm ]] || return 1
    if [[ ! -e $verdict ]]; then
        (timeout -k 1 15 qemu-system-x86_64 -accel kvm -cpu host -m 512 -nodefaults -no-user-config \
            -display none -no-reboot -serial stdio -kernel "$vmlinuz" -append 'console=ttyS0 panic=-1' \
            </dev/null || true) 2>/dev/null |
            grep -aom 1 'Kernel panic' >"$verdict" || true
    fi
    [[ -s $verdict ]]
}

# What runs as root in the lab first of all.
guest_script() {
    cat <<'GUEST'
# For appending, so that several writers do not overwrite one another.
exec >>stdout 2>>stderr 3>>status
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# virtme-ng points these at its own channels, which allow one writer only.
ln -sfn /proc/self/fd/1 /dev/stdout
ln -sfn /proc/self/fd/2 /dev/stderr
# Without these modules (a processor may lack what one needs) the kernel's ciphers are generic C.
modprobe -a aesni-intel chacha_x86_64 poly1305_x86_64 2>/dev/null
if modprobe -a tls gcm ccm chacha20poly1305 && ip link set lo up && ulimit -n 65536; then
    echo started >&3
    bash ./command </dev/null 3>&-
    echo $? >&3
fi
GUEST
}

# The caller's environment, working folder and command. Apart, since it must not change the preparation.
guest_command() {
    SLUICE_LAB_CAPABILITIES=$(lane_capabilities "$lane")
    export SLUICE_LAB_CAPABILITIES
    printf '%s\ncd %q && exec %s\n' "$(export -p | sed 's/^declare -x /export /')" "$PWD" "${*@Q}"
}

# The folders at the top of the file system that virtme-ng does not make copy on write by itself.
extra_top_folders() {
    printf '%s\n' "$repo" "$PWD" "${HOME:-/root}" | cut -d / -f 2 | sort -u |
        grep -vxE 'etc|lib|home|opt|srv|usr|var|tmp|dev|proc|sys|run|' || true
}

stop_lab() {
    # `timeout` passes the signal on to QEMU, which is in its process group.
    [[ ! $vm ]] || kill "$vm" "${followers[@]}" 2>/dev/null || true
    [[ ! $run ]] || rm -rf "$run"
}

# What the whole system's lab is called by: virtme-ng, with this machine's own files.
virtme_command() {
    local folder
    guest_script >"$run/script"
    # 9p at once: virtme-ng would wait five seconds for QEMU's old virtiofsd, then use 9p all the same.
    vm_command=("$lab/venv/bin/vng" --run "$vmlinuz" --user root --force-9p --memory "${SLUICE_LAB_MEMORY:-3G}")
    vm_command+=(--rwdir "$run" --cwd "$run" --verbose --append loglevel=4)
    for folder in $(extra_top_folders); do vm_command+=(--overlay-rwdir "/$folder"); done
    [[ ! $out ]] || vm_command+=(--rwdir "$out")
    if [[ ${SLUICE_LAB_ICOUNT:-} == 1 ]]; then
        vm_command+=(--disable-kvm --cpus 1 '--qemu-opts=-icount shift=0,sleep=off')
    else
        vm_command+=(--cpus "${SLUICE_LAB_CPUS:-2}")
        kvm_works || vm_command+=(--disable-kvm)
    fi
    vm_command+=(-- bash script)
}

# The same for the small lab: QEMU, with all files in memory.
small_command() {
    build_initramfs "$lane" "$run/initramfs" "$run/command" "${programs[@]}"
    vm_command=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -m "${SLUICE_LAB_MEMORY:-3G}"
        -kernel "$vmlinuz" -initrd "$run/initramfs" -append 'console=ttyS0 loglevel=4 panic=-1 mitigations=off'
        -serial file:/dev/stdout -serial "file:$run/stdout" -serial "file:$run/stderr" -serial "file:$run/status")
    if [[ ${SLUICE_LAB_ICOUNT:-} == 1 ]]; then
        vm_command+=(-accel tcg -cpu max -smp 1 -icount 'shift=0,sleep=off')
    elif kvm_works; then
        vm_command+=(-accel kvm -cpu host -smp "${SLUICE_LAB_CPUS:-2}")
    else
        vm_command+=(-accel 'tcg,thread=multi' -cpu max -smp "${SLUICE_LAB_CPUS:-2}")
    fi
}

# Runs $vm_command to its end, and shows what the command writes meanwhile.
boot_lab() {
    local limit=$1 status=0
    PATH=$lab/venv/bin:$PATH timeout -k 10 "$limit" "${vm_command[@]}" >"$run/log" 2>&1 </dev/null &
    vm=$!
    tail -n +1 -s 0.2 --pid=$vm -f "$run/stdout" &
    followers=($!)
    tail -n +1 -s 0.2 --pid=$vm -f "$run/stderr" >&2 &
    followers+=($!)
    wait "$vm" || status=$?
    vm=''
    wait "${followers[@]}"
    return "$status"
}

run_in_lab() {
    local status=0 boot started=$SECONDS limit=${SLUICE_LAB_TIMEOUT:-1200}
    # This run's own folder (mode 0700, for the environment is in it): the command goes in, output and status come out.
    run=$(mktemp -d "$lab/run.XXXXXX")
    guest_command "$@" >"$run/command"
    touch "$run/stdout" "$run/stderr" "$run/status"
    local -a vm_command
    if [[ $lane ]]; then small_command; else virtme_command; fi
    for boot in 1 2 3; do
        status=0
        boot_lab "$limit" || status=$?
        if ((status == 124 || status == 137)) && ((SECONDS - started >= limit)); then
            printf '%s: killed after %s seconds: raise SLUICE_LAB_TIMEOUT or do less\n' "${0##*/}" "$limit" >&2
            return 124
        fi
        # An emulated machine with two CPUs may fail to boot: a kernel patches its own code meanwhile. What has begun is never
        # begun again.
        [[ ! -s $run/status ]] || break
        tail -n 30 "$run/log" >&2
        printf '%s: the lab did not boot, try %s of 3 (the end of its console is above)\n' "${0##*/}" "$boot" >&2
    done
    # "started", and the command's status.
    status=$(sed -n 2p "$run/status")
    [[ ! $status ]] || return "$status"
    [[ ! -s $run/status ]] || tail -n 30 "$run/log" >&2
    die "the lab ended before the command did (the end of its console is above)"
}

lane='' programs=()
while [[ ${1:-} == --* ]]; do
    (($# > 1)) || die "$1 needs a value"
    case $1 in
    --lane) lane=$2 && lane_suites "$lane" >/dev/null ;;
    --with) programs+=("$2") ;;
    *) die "unknown option $1: use --lane or --with" ;;
    esac
    shift 2
done
(($# > 0)) || die "nothing to run: use scripts/ktls-lab.sh COMMAND [ARG…]"
if [[ ! $lane && ${SLUICE_LAB_FORCE:-} != 1 ]] && this_kernel_has_ktls; then
    exec "$@"
fi

[[ $(uname -m) == x86_64 ]] || die "the lab needs x86-64: else run this on a kernel that has CONFIG_TLS"
repo=$(repo_root) lab=$(cache_dir)/lab out=''
mkdir -p "$lab"
[[ -z ${SLUICE_LAB_OUT:-} ]] || { mkdir -p "$SLUICE_LAB_OUT" && out=$(cd "$SLUICE_LAB_OUT" && pwd -P); }
for path in "$repo" "$PWD" "$lab" "$out"; do
    [[ $path != *[[:space:]]* ]] || die "virtme-ng cannot use a path with white space: $path"
    case $path/ in
    /run/* | /var/tmp/*) die "the lab has a folder of its own for ${path%/*}: use another place than $path" ;;
    esac
done
trap stop_lab EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# One caller at a time prepares the cache.
exec {lock}>"$lab/lock"
flock "$lock"
prepare_lane "${lane:-bookworm}"
vmlinuz=$(realpath "$lab/lanes/${lane:-bookworm}/kernel/vmlinuz")
if [[ $lane ]]; then
    need_packages qemu-system-x86 busybox-static xz-utils zstd
    programs=("$1" "${programs[@]}")
else
    need_packages qemu-system-x86 busybox-static file iproute2 python3-venv
    prepare_virtme
fi
exec {lock}>&-

run_in_lab "$@"

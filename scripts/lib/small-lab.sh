# shellcheck shell=bash
# A system that lies in memory as a whole, an initramfs, and boots in seconds: the lane's kernel and OpenSSL, busybox, and the
# programs that a command needs, with their libraries, at the places where this machine has them. For scripts that have
# sourced packages.sh and lanes.sh.
#
#   build_initramfs LANE FILE COMMAND PROGRAM…   writes an initramfs to FILE that runs the shell script COMMAND; PROGRAM is
#                                                a name in PATH, a path of a program or of any other file, or a folder
#
# In it, standard output goes to the second serial port, standard error to the third, the exit status to the fourth.

# The kernel's TLS with its ciphers, and what tests use besides. What a kernel has built in, or not at all, is left out.
small_lab_modules=(tls gcm ccm ghash ghash-clmulni-intel aesni-intel chacha chacha_generic chacha-x86_64 poly1305_generic
    poly1305-x86_64 chacha20poly1305 fuse veth sch_netem)

# Copies a file to the same place below $root, following links, as every link on the way is left out.
copy_file() {
    local target
    target=$root$(dirname "$1")/
    [[ -e $root$1 ]] || { mkdir -p "$target" && cp -L "$1" "$target"; }
}

copy_program() {
    local path library
    if [[ -d $1 ]]; then
        mkdir -p "$root$1" && cp -a "$1/." "$root$1"
        return
    elif [[ $1 == */* && -f $1 && ! -x $1 ]]; then
        copy_file "$(realpath -s "$1")"
        return
    fi
    path=$(type -P "$1") || die "no program $1 here for the lab"
    path=$(realpath -s "$path")
    copy_file "$path"
    # A program finds what was built with it beside itself, whichever way it was called.
    copy_file "$(realpath "$path")"
    while read -r library; do copy_file "$library"; done < <(ldd "$path" 2>/dev/null | grep -oE '/[^ ]+ \(' | tr -d ' (')
}

# Copies the modules and puts them into an order in which each finds those that it needs.
copy_modules() {
    local kernel=$1 version module name verb path
    version=$(ls "$kernel/lib/modules")
    for module in "${small_lab_modules[@]}"; do
        while read -r verb path _; do
            [[ $verb == insmod ]] || continue
            name=/modules-$version/$(basename "${path%.ko*}").ko
            [[ ! -e $root$name ]] || continue
            printf '%s\n' "$name" >>"$root/modules"
            mkdir -p "$root/modules-$version"
            case $path in
            *.xz) xz -dc "$path" ;;
            *.zst) zstd -dc "$path" ;;
            *) cat "$path" ;;
            esac >"$root$name"
        done < <(PATH=$PATH:/sbin:/usr/sbin modprobe -d "$kernel" -S "$version" --show-depends "$module" 2>/dev/null || true)
    done
}

small_lab_init() {
    cat <<'GUEST'
#!/bin/busybox sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox --install -s /bin 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /tmp /run /var/tmp
# All of this is in memory already, and what the command needs may lie anywhere.
chmod 1777 /tmp /var/tmp
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
while read -r module; do insmod "$module"; done </modules
ip link set lo up
for port in 1 2 3; do stty -F /dev/ttyS$port raw -echo; done
# Programs take a serial port for somebody's terminal.
mkfifo /stdout /stderr
cat </stdout >/dev/ttyS1 &
cat </stderr >/dev/ttyS2 &
ulimit -n 65536
echo started >/dev/ttyS3
status=125
grep -qw tls /proc/sys/net/ipv4/tcp_available_ulp && { sh /command </dev/null >/stdout 2>/stderr; status=$?; }
# What the command has left running may still hold the other ends: so much time is enough for what it has written.
sleep 0.5
for port in 1 2; do stty -F /dev/ttyS$port raw; done
echo $status >/dev/ttyS3
stty -F /dev/ttyS3 raw
poweroff -f
GUEST
}

build_initramfs() {
    local lane=$1 file=$2 command=$3 program root
    shift 3
    root=$(mktemp -d "$lab/root.XXXXXX")
    mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,proc,sys,dev,etc,root,var}
    mkdir -p "$root$PWD"
    local name
    for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
    cp /bin/busybox "$root/bin/"
    for program in "$@"; do copy_program "$program"; done
    # The lane's own loader, libc and OpenSSL take the place of this machine's.
    (cd "$lab/lanes/$lane/system" && find . -name doc -prune -o \( -type f -o -type l \) -print0 | tar -cf - --null -T -) |
        tar -xf - -C "$root" --keep-directory-symlink --overwrite
    copy_modules "$lab/lanes/$lane/kernel"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
    small_lab_init >"$root/init"
    chmod +x "$root/init"
    cp "$command" "$root/command"
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$file"
    rm -rf "$root"
}

#!/usr/bin/env bash
# Makes the packages: a Debian package, for Debian 12 and later, and a tarball of the same files for other systems. Installs what
# is missing, builds the program with the Swift runtime in it, and looks with lintian at what has come of it.
#
# Usage: scripts/package.sh [--out DIR]
#   --out DIR   where they go (default: build-packages at the top of the repository)
#
# Prints the paths on stdout. The same commit, Swift and versions of the packages in Package.swift give the same bytes.
#
# Environment:
#   SLUICE_MAINTAINER   who answers for the packages: 'Name <address>' (default: the project)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"

repo=$(repo_root) sources=$(repo_root)/scripts/package out=$(repo_root)/build-packages
maintainer=${SLUICE_MAINTAINER:-Sluice maintainers <maintainers@sluice.invalid>}
scratch=$repo/.build-static
work=''
# All libraries that the program may need: packages of Debian 12 and later have them under these names.
allowed_libraries='ld-linux.*\.so\.[0-9]+|lib(c|m)\.so\.6|libgcc_s\.so\.1|libstdc\+\+\.so\.6|libcrypt\.so\.1|lib(ssl|crypto)\.so\.3'

while (($#)); do
    case $1 in
    --out)
        (($# > 1)) || die "--out needs a folder: --out DIR"
        out=$2
        shift
        ;;
    -h | --help)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
        exit
        ;;
    *) die "unknown argument '$1': use [--out DIR]" ;;
    esac
    shift
done

# As users have it in .build, but for what does not change how it works: the runtime is in it; all addresses are known, and then read
# only, before it starts (-z now); its functions are not there for other libraries, so that those which nobody calls are left out; and
# where it was built is not in it. Of Foundation, FoundationEssentials comes in, because swift-argument-parser makes JSON with it for the
# manual: 4.3 MiB of 15.7 (the sizes that the linker's -Map gives).
build() {
    local map=-ffile-prefix-map=$repo=.
    swift build --package-path "$repo" --scratch-path "$scratch" -c release --static-swift-stdlib --product "$1" \
        -Xlinker -z -Xlinker now -Xlinker --no-export-dynamic -Xlinker --build-id=none \
        -Xcc "$map" -Xcxx "$map" -Xswiftc -file-prefix-map -Xswiftc "$repo=." >&2
}

check_libraries() {
    local library others
    while read -r library; do
        [[ $library =~ ^($allowed_libraries)$ ]] || others+=" $library"
    done < <(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    [[ ! ${others:-} ]] || die "the program needs what a Debian system may not have:$others"
}

# Puts the program in its place: without symbols, without the way to libraries beside it, which there are none of, and with zeros for
# what depends on where it was built, which is for the compiler only (to take the section out would cost it RELRO).
install_program() {
    local size
    install -D -m 755 "$scratch/release/sluice" "$root/usr/bin/sluice"
    size=$(readelf -SW "$root/usr/bin/sluice" | sed -En 's/.* \.swift_modhash +PROGBITS +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) .*/\1/p')
    head -c "$((16#$size))" /dev/zero >"$work/zeros"
    objcopy --strip-all --update-section ".swift_modhash=$work/zeros" "$root/usr/bin/sluice"
    chrpath --delete "$root/usr/bin/sluice" >/dev/null
    check_libraries "$root/usr/bin/sluice"
}

# By the program behind swift-argument-parser's generate-manual plugin; the plugin itself would build everything once more. As git's,
# pages are named so that `man sluice serve` finds them. `sluice help` is no command of ours.
install_manual() {
    local page name
    mkdir -p "$work/manual" "$root/usr/share/man/man1"
    "$scratch/release/generate-manual" "$root/usr/bin/sluice" --multi-page --date "$day" --output-directory "$work/manual" >&2
    rm "$work/manual/sluice.help.1"
    for page in "$work/manual"/*.1; do
        name=$(basename "$page" .1)
        # The name of a page is one word; the command is not.
        sed -E -e '/^\.Xr sluice\.help /d' -e '/^\.Xr /s/sluice\./sluice-/' -e '/^\.Dt /s/SLUICE\./SLUICE-/' \
            -e 's/^\.Nm "sluice (.*)"$/.Nm sluice-\1/' -e "s/^\.Nm\$/.Nm \"${name/./ }\"/" "$page" |
            gzip -9n >"$root/usr/share/man/man1/${name/./-}.1.gz"
    done
}

install_completions() {
    local shell file
    for file in bash:bash-completion/completions/sluice zsh:zsh/vendor-completions/_sluice \
        fish:fish/vendor_completions.d/sluice.fish; do
        shell=${file%%:*} file=$root/usr/share/${file#*:}
        mkdir -p "$(dirname "$file")"
        # Bash reads it, and does not run it: no "#!".
        "$root/usr/bin/sluice" --generate-completion-script "$shell" | sed '1{/^#!/d}' >"$file"
    done
}

install_files() {
    install -D -m 644 -t "$root/usr/lib/systemd/system" "$sources"/*.service "$sources"/*.socket
    install -D -m 644 "$sources/modules-load.conf" "$root/usr/lib/modules-load.d/sluice.conf"
    install -D -m 644 "$sources/sluice.toml" "$root/etc/sluice/sluice.toml"
    install -D -m 644 -t "$root/usr/share/sluice/welcome" "$sources/welcome"/*
    install -D -m 644 -t "$doc/examples" "$sources/sluice.toml" "$sources/Containerfile"
    # Where README's links lead.
    install -D -m 644 -t "$doc/docs" "$repo"/docs/*
    install -D -m 644 "$sources/copyright" "$doc/copyright"
    gzip -9n <"$repo/README.md" >"$doc/README.md.gz"
}

# CHANGELOG.md as Debian writes it. What is not released yet has the time of the commit.
debian_changelog() {
    local line item='' signature='' when
    # Lines of 80 columns at most.
    tell_item() {
        [[ ! $item ]] || fold -s -w 74 <<<"$item" | sed -e '1s/^/  * /' -e '1!s/^/    /' -e 's/ *$//'
        item=''
    }
    while IFS= read -r line; do
        if [[ $line =~ ^##\ ([0-9][^ ]*)\ \((.*)\)$ ]]; then
            tell_item
            [[ ! $signature ]] || printf '\n%s\n\n' "$signature"
            when="@$SOURCE_DATE_EPOCH"
            [[ ${BASH_REMATCH[2]} != [0-9]* ]] || when=${BASH_REMATCH[2]}
            signature=" -- $maintainer  $(LC_ALL=C date -u -R -d "$when")"
            printf 'sluice (%s) unstable; urgency=medium\n\n' "$(debian_version "${BASH_REMATCH[1]}")"
        elif [[ $line == '* '* ]]; then
            tell_item
            item=${line#'* '}
        elif [[ $item && $line ]]; then
            item+=" ${line#"${line%%[! ]*}"}"
        fi
    done <"$repo/CHANGELOG.md"
    tell_item
    printf '\n%s\n' "$signature"
}

# 1.0-beta.1 is before 1.0.
debian_version() {
    printf '%s\n' "${1/-/\~}"
}

dependencies() {
    mkdir -p "$work/shlibs/debian"
    printf 'Source: sluice\n\nPackage: sluice\nArchitecture: any\n' >"$work/shlibs/debian/control"
    (cd "$work/shlibs" && dpkg-shlibdeps -O "$root/usr/bin/sluice" 2>"$work/log") | sed -n 's/^shlibs:Depends=//p'
}

# All times are that of the commit, and all modes ours, whatever the user's umask.
settle() {
    chmod -R u=rwX,go=rX "$1"
    find "$1" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
}

make_deb() {
    local file control=$root/DEBIAN size depends
    file=$out/sluice_$(debian_version "$version")_$arch.deb
    debian_changelog | gzip -9n >"$doc/changelog.gz"
    [[ ! -e $sources/lintian-overrides ]] ||
        install -D -m 644 "$sources/lintian-overrides" "$root/usr/share/lintian/overrides/sluice"
    depends=$(dependencies)
    [[ $depends ]] || die "dpkg-shlibdeps does not say which packages are needed: $(tail -n 1 "$work/log")"
    size=$(du -k --apparent-size -s "$root" | cut -f 1)
    mkdir "$control"
    sed -e "s/@VERSION@/$(debian_version "$version")/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$size/" \
        -e "s/@DEPENDS@/$depends/" -e "s/@MAINTAINER@/$maintainer/" "$sources/control" >"$control/control"
    printf '/etc/sluice/sluice.toml\n' >"$control/conffiles"
    install -m 755 -t "$control" "$sources"/{postinst,prerm,postrm}
    (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$control/md5sums"
    settle "$root"
    # xz: what Ubuntu would take otherwise, Debian 12 could not read for long.
    dpkg-deb --root-owner-group -Zxz --build "$root" "$file" >&2
    if ! lintian --allow-root --fail-on error,warning "$file" >&2; then
        die "lintian finds fault with $file (see above)"
    fi
    printf '%s\n' "$file"
}

# To be unpacked below /usr/local, where systemd, man and the shells look, too.
make_tarball() {
    local name=sluice-$version-linux-$arch tree
    tree=$work/$name
    rm -rf "$root/DEBIAN" "$root/usr/share/lintian" "$doc/changelog.gz"
    cp -r "$root/usr" "$tree"
    mkdir -p "$tree/share/zsh/site-functions"
    mv "$tree/share/zsh/vendor-completions"/* "$tree/share/zsh/site-functions/"
    rmdir "$tree/share/zsh/vendor-completions"
    gzip -d "$tree/share/doc/sluice/README.md.gz"
    cp "$repo/LICENSE" "$repo/CHANGELOG.md" "$tree/share/doc/sluice/"
    sed -i -e 's,/usr/bin/sluice,/usr/local/bin/sluice,' -e 's,/usr/share/,/usr/local/share/,' \
        "$tree/lib/systemd/system"/*.{service,socket} "$tree/share/doc/sluice/examples/sluice.toml"
    settle "$tree"
    tar --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -C "$work" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
    printf '%s\n' "$out/$name.tar.gz"
}

require_swift
need_packages libssl-dev libcrypt-dev pkg-config binutils chrpath dpkg-dev lintian git
umask 022
SOURCE_DATE_EPOCH=$(git -C "$repo" log -1 --format=%ct) || die "not a clone of the repository: the time of the last commit is needed"
export SOURCE_DATE_EPOCH
day=$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)
arch=$(dpkg --print-architecture)
mkdir -p "$out"
out=$(cd "$out" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root doc=$work/root/usr/share/doc/sluice

build sluice
build generate-manual
install_program
version=$("$root/usr/bin/sluice" --version)
install_manual
install_completions
install_files
make_deb
make_tarball

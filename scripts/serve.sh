#!/usr/bin/env bash
# Serves a sample site, or the folder you name, over HTTP and HTTPS: installs what is missing, builds, makes a
# development certificate, starts sluice.
#
# Usage: scripts/serve.sh [ROOT] [OPTION…]      the options are those of `sluice serve --help`
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"

repo=$(repo_root)
require_swift
need_packages libssl-dev libcrypt-dev openssl pkg-config
# Where this user may load it; without it, HTTPS is encrypted by OpenSSL and the start line says so.
((EUID != 0)) || modprobe tls 2>/dev/null || true

swift build --package-path "$repo" -c release --product sluice >&2
"$repo/scripts/certs.sh" >/dev/null

case ${1:-} in '' | -*) set -- "$repo/scripts/sample-site" "$@" ;; esac
exec "$repo/.build/release/sluice" serve --cert "$repo/certs/localhost.pem" --key "$repo/certs/localhost.key" "$@"

#!/usr/bin/env bash
# Makes a development certificate authority and a certificate for localhost, 127.0.0.1 and ::1.
#
# Usage: scripts/certs.sh [--rsa] [--out DIR] [--force]
#
#   --rsa      an RSA 2048 certificate (localhost-rsa.pem, .key) instead of ECDSA P-256 (localhost.pem, .key)
#   --out DIR  the folder for the files (default: certs at the top of the repository)
#   --force    make all anew, even what is still valid. A new authority has to be trusted again.
#
# Prints the paths on stdout, how to trust the authority on stderr. Keys have mode 0600 and are never committed.
# For development only: anyone who can read ca.key can pose as any site to whoever trusts ca.pem.
#
# Environment: none.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"

name=localhost key_type=(-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve)
key_usage=digitalSignature force='' out=''

while (($#)); do
    case $1 in
    --rsa)
        name=localhost-rsa key_type=(-algorithm RSA -pkeyopt rsa_keygen_bits:2048)
        # TLS 1.2 clients may want RSA key exchange, which needs this second bit.
        key_usage=digitalSignature,keyEncipherment
        ;;
    --out)
        (($# > 1)) || die "--out needs a folder: --out DIR"
        out=$2
        shift
        ;;
    --force) force=yes ;;
    -h | --help)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
        exit
        ;;
    *) die "unknown argument '$1': use [--rsa] [--out DIR] [--force]" ;;
    esac
    shift
done

command -v openssl >/dev/null || need_packages openssl
out=${out:-$(repo_root)/certs}
mkdir -p "$out" || die "cannot make the folder $out: choose another with --out"
out=$(cd "$out" && pwd -P)
# Files are made here first and moved when complete, so that a server never reads half a file.
work=$(mktemp -d "$out/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT
umask 077

run_openssl() {
    openssl "$@" 2>"$work/log" || die "openssl $1 failed: $(tr '\n' ' ' <"$work/log")"
}

# Does the certificate exist, match its key, and hold for another day?
usable() {
    [[ -s $1.pem && -s $1.key ]] &&
        openssl x509 -in "$1.pem" -noout -checkend 86400 >/dev/null 2>&1 &&
        cmp -s <(openssl x509 -in "$1.pem" -noout -pubkey) <(openssl pkey -in "$1.key" -pubout 2>/dev/null)
}

signed_by_our_authority() {
    openssl verify -no-CApath -no-CAstore -CAfile "$out/ca.pem" "$1.pem" >/dev/null 2>&1
}

publish() {
    chmod 644 "$work/$1.pem"
    mv -f "$work/$1.key" "$work/$1.pem" "$out/"
}

make_authority() {
    run_openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve \
        -out "$work/ca.key"
    run_openssl req -new -x509 -sha256 -days 3650 -key "$work/ca.key" -out "$work/ca.pem" -config <(
        printf '%s\n' '[req]' 'prompt = no' 'distinguished_name = name' 'x509_extensions = authority' \
            '[name]' 'O = Sluice development' "CN = Sluice development CA $(openssl rand -hex 4)" \
            '[authority]' 'basicConstraints = critical, CA:true, pathlen:0' \
            'keyUsage = critical, keyCertSign, cRLSign' 'subjectKeyIdentifier = hash'
    )
    publish ca
}

make_certificate() {
    run_openssl genpkey "${key_type[@]}" -out "$work/$name.key"
    run_openssl req -new -sha256 -key "$work/$name.key" -out "$work/$name.csr" -config <(
        printf '%s\n' '[req]' 'prompt = no' 'distinguished_name = name' '[name]' 'CN = localhost'
    )
    # Clients refuse certificates that hold for more than 825 days.
    run_openssl x509 -req -sha256 -days 820 -in "$work/$name.csr" -out "$work/$name.pem" \
        -CA "$out/ca.pem" -CAkey "$out/ca.key" -set_serial "0x$(openssl rand -hex 16)" -extfile <(
        printf '%s\n' 'basicConstraints = critical, CA:false' "keyUsage = critical, $key_usage" \
            'extendedKeyUsage = serverAuth' 'subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1' \
            'subjectKeyIdentifier = hash' 'authorityKeyIdentifier = keyid'
    )
    publish "$name"
}

if [[ $force ]] || ! usable "$out/ca"; then
    make_authority
fi
if [[ $force ]] || ! usable "$out/$name" || ! signed_by_our_authority "$out/$name"; then
    make_certificate
fi
chmod 600 "$out/ca.key" "$out/$name.key"

printf '%s\n' "$out/ca.pem" "$out/ca.key" "$out/$name.pem" "$out/$name.key"
printf 'Trust the authority for one request: curl --cacert %s https://localhost:8443/\n' "${out/#"$PWD/"/}/ca.pem" >&2

#!/usr/bin/env bash
# Runs all tests: installs what is missing, checks the format, builds with warnings as errors, runs the unit and
# integration tests, runs the kernel TLS tests on kernels that have it, and runs the suite under ASan and TSan.
#
# Usage: scripts/test.sh [--quick | --faults]
#   --quick   without the lab and the sanitizers
#   --faults  only the tests in which calls fail, but all of them: every call with every error, which takes half an hour
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"

repo=$(repo_root)
cd "$repo"
quick='' faults=''
case ${1:-} in
'') ;;
--quick) quick=yes ;;
--faults) faults=yes ;;
*) die "unknown option $1: use --quick, --faults or nothing" ;;
esac

step() { printf '\n== %s (at %s s)\n' "$*" "$SECONDS"; }

# Suites that have the kernel hold so much for slow clients that it resets connections of others (tcp_mem, tcp(7)): alone.
memory='\.(HostileClientTests|MemoryLimitTests)/'
# Suites that mostly wait, for limits, clocks or disks. The runner has a thread for each CPU, and one that waits is lost to the
# others: so these run in processes of their own, beside the rest.
disks='\.SlowDiskTests/'
waits='\.(ShutdownTests|AcceptFaultTests|FailingCallTests|FaultTests|DeployTests|DescriptorLimitTests|PartialCallTests)/'
clocks='\.(StaleFileTests|FileTimeTests|LateChangeTests|NoGoingBackTests|SlowFolderTests)/'

# Runs the tests of a build folder: $1, then arguments for the runner. Not by `swift test`, of which only one can run.
run_suite() {
    local tests=$1/debug/sluicePackageTests.xctest status=0 logs part run
    shift
    logs=$(mktemp -d)
    "$tests" --testing-library swift-testing --filter "$memory" "$@" || status=$?
    local -A runs=()
    for part in disks waits clocks; do
        "$tests" --testing-library swift-testing --filter "${!part}" "$@" >"$logs/$part" 2>&1 &
        runs[$part]=$!
    done
    "$tests" --testing-library swift-testing \
        --skip "$memory" --skip "$disks" --skip "$waits" --skip "$clocks" "$@" || status=$?
    for part in "${!runs[@]}"; do
        run=0
        wait "${runs[$part]}" || run=$?
        printf '\n-- %s (exit status %s)\n' "$part" "$run"
        cat "$logs/$part"
        ((run == 0)) || status=$run
    done
    rm -rf "$logs"
    return "$status"
}

require_swift
need_packages libssl-dev libcrypt-dev openssl pkg-config curl jq wrk zsync wget brotli zstd apache2-utils strace procps valgrind binutils \
    iproute2 python3 python3-doc
# Somebody's own nginx may come from another package than ours, so the program counts.
PATH=$PATH:/usr/sbin command -v nginx >/dev/null || need_servers nginx nginx-light

PATH=$PATH:/usr/sbin command -v haproxy >/dev/null || need_servers haproxy haproxy
command -v promtool >/dev/null || need_servers prometheus prometheus

step "format"
swift format lint --strict --recursive Package.swift Sources Tests

step "build"
swift build --build-tests
swift build -c release --product sluice

if [[ $faults ]]; then
    step "tests of all faults"
    SLUICE_FAULTS=all SLUICE_BINARY=$repo/.build/release/sluice \
        swift test --skip-build --filter '\.(FaultTests|PartialCallTests|FailingAllocationTests|FailingCallTests)/'
    exit 0
fi

# With the program as users have it; the one with all checks of a debug build runs under the sanitizers.
step "tests"
SLUICE_RELEASE_BINARY=$repo/.build/release/sluice SLUICE_BINARY=$repo/.build/release/sluice run_suite .build

[[ ! $quick ]] || exit 0

# The release build: under an emulated CPU the debug build is too slow. One test after the other, so that they don't
# starve one another there. The test program is run by itself, because `swift test` would look at the package again.
run_in_lab() {
    SLUICE_BINARY=$repo/.build/release/sluice SLUICE_LAB_TIMEOUT=${SLUICE_LAB_TIMEOUT:-2700} \
        "$repo/scripts/ktls-lab.sh" "$@"
}
kernel_tests=(.build/debug/sluicePackageTests.xctest --testing-library swift-testing --no-parallel)
# Suites of the transport itself, on each of the systems that users have; the others on one.
in_each_lane='KernelTLS(Proof|Reason|Record|Message|Limit|Fault|Transfer)Tests'
# What is said of files, which is the same whatever the system: on the one that starts programs quickly.
in_one_lane='KernelTLS(Rule|SitePath|Precompressed|MultipartRange|Takeover|Link|Authentication|Host|Gate|Listing)Tests'

lab_programs=()
for program in curl openssl strace wrk ip unshare nsenter setpriv prlimit env grep .build/release/sluice; do
    lab_programs+=(--with "$program")
done

# A lane's tests, or, for "system", those on a whole system.
run_lab() {
    local filters=(--filter "$in_each_lane")
    if [[ $1 == system ]]; then
        run_in_lab "${kernel_tests[@]}" --filter KernelTLS --skip "$in_each_lane" --skip "$in_one_lane"
        return
    fi
    [[ $1 != trixie ]] || filters+=(--filter "$in_one_lane")
    run_in_lab --lane "$1" "${lab_programs[@]}" "${kernel_tests[@]}" "${filters[@]}"
}

# An emulated machine takes little more than one CPU: two run at a time, the longest first.
run_labs() {
    local logs lab failed=''
    logs=$(mktemp -d)
    for lab in "$@"; do
        while (($(jobs -rp | wc -l) > 1)); do wait -n || true; done
        { run_lab "$lab" && touch "$logs/$lab.passed"; } >"$logs/$lab" 2>&1 &
    done
    wait
    for lab in "$@"; do
        printf '\n-- %s\n' "$lab"
        cat "$logs/$lab"
        [[ -e $logs/$lab.passed ]] || failed+=" $lab"
    done
    rm -rf "$logs"
    [[ ! $failed ]] || die "kernel TLS tests have failed in:$failed"
}

step "kernel TLS tests in the labs"
run_labs trixie newest bookworm system

# What XCTest and the Swift runtime keep until the process ends looks like leaks to ASan's leak detector. Some tests ask for
# more memory than there is. A process that ends because a worker can not work does not wait for its threads.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:allocator_may_return_null=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$repo/scripts/lib/tsan-suppressions:allocator_may_return_null=1:report_thread_leaks=0}
# Not what strace makes fail, nor what runs out of memory: a sanitizer changes both. Nor what is about words.
unfit='\.(FaultTests|FailingCallTests|PartialCallTests|ForbiddenCallTests|AcceptFaultTests|MemoryLimitTests|MachineMemoryTests)/'
words='\.(CommandLineTests|ConfigurationTests|DocumentationTests|MediaTypesFileTests|MistakeTests|PeerAgreementTests|RealSiteTests|StartErrorTests)/'
# Suites of rooms in which there is one thread.
single='^(HTTPTests|SiteTests)\.'
for sanitizer in address thread; do
    step "tests under the $sanitizer sanitizer"
    scratch=$repo/.build-$sanitizer
    swift build --build-tests --sanitize "$sanitizer" --scratch-path "$scratch"
    printf 'built at %s s\n' "$SECONDS"
    left_out=(--skip "$unfit" --skip "$words" --skip '/wrong(Files|Options|Rules|SectionsOfAFile|Values)\(')
    [[ $sanitizer == address ]] || left_out+=(--skip "$single")
    run_suite "$scratch" "${left_out[@]}"
done

// Makes calls of a program fail, or do less than they could, when a test wants it: a library for LD_PRELOAD (ld.so(8)),
// for what strace's inject can't do. The orders are in a file that the test writes to while the program runs:
// FAILING_CALLS names it, FailingCalls.swift knows what is where.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

enum order {
    // Allocations of at least so many bytes count; the first one that fails, 0 for none, and the last.
    ALLOCATION_SIZE,
    FIRST_ALLOCATION,
    LAST_ALLOCATION,
    // The most bytes that one call sends, or reads from a file; 0 for no bound.
    LONGEST_SEND,
    LONGEST_READ,
    // Error numbers, 0 for none. A close that fails has closed all the same, as the kernel's does.
    CLOSE_ERROR,
    CACHESTAT_ERROR,
    CACHED_READ_ERROR,
    // Of setsockopt(2): TCP_ULP, and SOL_TLS with TLS_TX and TLS_RX.
    ULP_ERROR,
    TRANSMIT_KEY_ERROR,
    RECEIVE_KEY_ERROR,
    // Not 0: TCP sockets are made for MPTCP.
    MPTCP,
    // What has happened.
    ALLOCATIONS,
    MEMORY_FAULTS,
    FAULTS,
    ORDERS
};

static _Atomic int64_t no_orders[ORDERS];
static _Atomic int64_t *orders = no_orders;

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAILING_CALLS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    // What it needs is loaded now, and not when no memory is to be had.
    void *frame;
    backtrace(&frame, 1);
    void *shared = mmap(NULL, sizeof no_orders, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED) orders = shared;
}

static size_t at_most(size_t count, enum order order) {
    size_t longest = (size_t)orders[order];
    if (longest == 0 || count <= longest) return count;
    orders[FAULTS]++;
    return longest;
}

static int is_ordered(enum order order) {
    int error = (int)orders[order];
    if (error == 0) return 0;
    orders[FAULTS]++;
    errno = error;
    return 1;
}

// MARK: Memory

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static int lacks_memory(size_t size) {
    static _Thread_local int is_telling;
    int64_t first = orders[FIRST_ALLOCATION];
    if (first == 0 || is_telling || size < (size_t)orders[ALLOCATION_SIZE]) return 0;
    int64_t number = ++orders[ALLOCATIONS];
    if (number < first || number > orders[LAST_ALLOCATION]) return 0;
    // Where, for a program that does not survive it.
    if (++orders[MEMORY_FAULTS] <= 20) {
        void *frames[24];
        is_telling = 1;
        static const char title[] = "no memory:\n";
        (void)!write(STDERR_FILENO, title, sizeof title - 1);
        backtrace_symbols_fd(frames, backtrace(frames, 24), STDERR_FILENO);
        is_telling = 0;
    }
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return lacks_memory(size) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) {
    return lacks_memory(count * size) ? NULL : __libc_calloc(count, size);
}
void *realloc(void *memory, size_t size) { return lacks_memory(size) ? NULL : __libc_realloc(memory, size); }
void *aligned_alloc(size_t alignment, size_t size) {
    return lacks_memory(size) ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void **memory, size_t alignment, size_t size) {
    if (lacks_memory(size)) return ENOMEM;
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

// MARK: System calls

static long send_part_of(const struct msghdr *message, int socket, int flags, long (*call)(long, ...)) {
    struct msghdr part = *message;
    struct iovec vectors[8];
    size_t room = (size_t)orders[LONGEST_SEND];
    size_t count = message->msg_iovlen < 8 ? message->msg_iovlen : 8, used = 0;
    for (; used < count && room > 0; used++) {
        vectors[used] = message->msg_iov[used];
        if (vectors[used].iov_len > room) vectors[used].iov_len = room;
        room -= vectors[used].iov_len;
    }
    part.msg_iov = vectors;
    part.msg_iovlen = used;
    orders[FAULTS]++;
    return call(SYS_sendmsg, (long)socket, &part, (long)flags);
}

long syscall(long number, ...) {
    static long (*call)(long, ...);
    if (!call) call = (long (*)(long, ...))next("syscall");
    long a[6];
    va_list list;
    va_start(list, number);
    for (int index = 0; index < 6; index++) a[index] = va_arg(list, long);
    va_end(list);
    switch (number) {
    case SYS_sendto: a[2] = (long)at_most((size_t)a[2], LONGEST_SEND); break;
    case SYS_sendfile: a[3] = (long)at_most((size_t)a[3], LONGEST_SEND); break;
    case SYS_sendmsg:
        if (orders[LONGEST_SEND]) return send_part_of((const struct msghdr *)a[1], (int)a[0], (int)a[2], call);
        break;
    case SYS_cachestat:
        if (is_ordered(CACHESTAT_ERROR)) return -1;
        break;
    }
    return call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// libssl's, in a handshake.
ssize_t write(int file, const void *bytes, size_t count) {
    static ssize_t (*call)(int, const void *, size_t);
    if (!call) call = (ssize_t(*)(int, const void *, size_t))next("write");
    return call(file, bytes, file > STDERR_FILENO ? at_most(count, LONGEST_SEND) : count);
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) {
    static ssize_t (*call)(int, void *, size_t, off64_t);
    if (!call) call = (ssize_t(*)(int, void *, size_t, off64_t))next("pread64");
    return call(file, bytes, at_most(count, LONGEST_READ), offset);
}
ssize_t pread(int file, void *bytes, size_t count, off_t offset) { return pread64(file, bytes, count, offset); }

// One buffer, as we call it.
ssize_t preadv2(int file, const struct iovec *buffer, int count, off_t offset, int flags) {
    static ssize_t (*call)(int, const struct iovec *, int, off_t, int);
    if (!call) call = (ssize_t(*)(int, const struct iovec *, int, off_t, int))next("preadv2");
    if (is_ordered(CACHED_READ_ERROR)) return -1;
    struct iovec part = *buffer;
    part.iov_len = at_most(part.iov_len, LONGEST_READ);
    return call(file, &part, count, offset, flags);
}

int setsockopt(int socket, int level, int name, const void *value, socklen_t size) {
    static int (*call)(int, int, int, const void *, socklen_t);
    if (!call) call = (int (*)(int, int, int, const void *, socklen_t))next("setsockopt");
    if (level == IPPROTO_TCP && name == TCP_ULP && is_ordered(ULP_ERROR)) return -1;
    if (level == SOL_TLS && name == TLS_TX && is_ordered(TRANSMIT_KEY_ERROR)) return -1;
    if (level == SOL_TLS && name == TLS_RX && is_ordered(RECEIVE_KEY_ERROR)) return -1;
    return call(socket, level, name, value, size);
}

int socket(int family, int type, int protocol) {
    static int (*call)(int, int, int);
    if (!call) call = (int (*)(int, int, int))next("socket");
    int is_tcp = (family == AF_INET || family == AF_INET6) && (type & 0xF) == SOCK_STREAM;
    return call(family, type, is_tcp && orders[MPTCP] ? IPPROTO_MPTCP : protocol);
}

int close(int file) {
    static int (*call)(int);
    if (!call) call = (int (*)(int))next("close");
    int status = call(file);
    return status == 0 && is_ordered(CLOSE_ERROR) ? -1 : status;
}

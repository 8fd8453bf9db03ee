// What Glibc's Swift overlay does not show of Linux. Thin wrappers, no logic.
//
// _GNU_SOURCE is defined in CLinux.c and never here: in a header that Swift imports it would change glibc's
// own declarations under the importer.
#pragma once

#include <linux/tls.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// recv(2), send(2), sendfile(2), sendmsg(2) and epoll_wait(2). Those of glibc are cancellation points, which costs each
// call some 35 instructions in a process with threads; these are not.
static inline ssize_t CLinux_recv(int fd, void *bytes, size_t count, int flags) {
    return syscall(SYS_recvfrom, fd, bytes, count, flags, NULL, NULL);
}
static inline ssize_t CLinux_send(int fd, const void *bytes, size_t count, int flags) {
    return syscall(SYS_sendto, fd, bytes, count, flags, NULL, 0);
}
static inline ssize_t CLinux_sendfile(int fd, int file, off_t *offset, size_t count) {
    return syscall(SYS_sendfile, fd, file, offset, count);
}
static inline ssize_t CLinux_sendmsg(int fd, const struct msghdr *message, int flags) {
    return syscall(SYS_sendmsg, fd, message, flags);
}
static inline int CLinux_epoll_wait(int fd, struct epoll_event *events, int count, int milliseconds) {
    return (int)syscall(SYS_epoll_pwait, fd, events, count, milliseconds, NULL, 0);
}

// pipe2(2)
int CLinux_pipe2(int ends[2], int flags);

// environ(7)
char **CLinux_environment(void);

// accept4(2)
int CLinux_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);

// openat2(2), which glibc 2.36 does not wrap. `flags` are O_*, `resolve` RESOLVE_*.
int CLinux_openat2(int directory, const char *path, uint64_t flags, uint64_t resolve);

extern const uint64_t CLinux_O_PATH;
extern const uint64_t CLinux_RESOLVE_BENEATH;
extern const uint64_t CLinux_RESOLVE_NO_MAGICLINKS;
extern const uint64_t CLinux_RESOLVE_NO_XDEV;
extern const uint64_t CLinux_RESOLVE_NO_SYMLINKS;
// Since Linux 5.12.
extern const uint64_t CLinux_RESOLVE_CACHED;

// f_type of fstatfs(2); -1 on failure.
int64_t CLinux_fileSystemType(int fd);

// preadv2(2) with RWF_NOWAIT and one buffer: EAGAIN where the page cache does not hold the bytes, EOPNOTSUPP where the file
// system can't say.
ssize_t CLinux_preadCached(int fd, void *bytes, size_t count, off_t offset);

// cachestat(2), Linux 6.5: how many pages of a part of a file are in the page cache; -1 on failure.
int64_t CLinux_cachedPages(int fd, uint64_t offset, uint64_t count);

// memfd_create(2)
int CLinux_memfdCreate(const char *name, unsigned int flags);
extern const unsigned int CLinux_MFD_CLOEXEC;

// setsockopt(2) levels and names of kernel TLS: tcp(7), Documentation/networking/tls.rst
extern const int CLinux_SOL_TLS;
extern const int CLinux_TCP_ULP;
extern const int CLinux_TLS_TX_MAX_PAYLOAD_LEN;

// How many CPUs the calling thread may run on: sched_getaffinity(2), 0 on failure.
int CLinux_cpuCount(void);

// ioctl(2): bytes in the send queue that were not sent
extern const unsigned long CLinux_SIOCOUTQNSD;

// TCP_INFO, tcp(7): the bytes that the peer has acknowledged, and how many segments it has not, plus bytes that were not
// sent. 0, or -1 where the kernel does not tell.
int CLinux_tcpDelivery(int fd, uint64_t *acknowledged, uint32_t *waiting);

// WIFEXITED and friends are macros that Swift can't see.
int CLinux_exitStatus(int status);

// A record of kernel TLS that is not of application data: sendmsg(2) with TLS_SET_RECORD_TYPE and recvmsg(2) with
// TLS_GET_RECORD_TYPE. `type` is left alone where the kernel gives none.
ssize_t CLinux_sendRecord(int fd, uint8_t type, const void *bytes, size_t count);
ssize_t CLinux_receiveRecord(int fd, uint8_t *type, void *bytes, size_t count);

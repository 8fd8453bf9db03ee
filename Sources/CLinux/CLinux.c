#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

int CLinux_pipe2(int ends[2], int flags) { return pipe2(ends, flags); }

char **CLinux_environment(void) { return environ; }

int CLinux_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    return accept4(fd, address, length, flags);
}

int CLinux_openat2(int directory, const char *path, uint64_t flags, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = 0, .resolve = resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

const uint64_t CLinux_O_PATH = O_PATH;
const uint64_t CLinux_RESOLVE_BENEATH = RESOLVE_BENEATH;
const uint64_t CLinux_RESOLVE_NO_MAGICLINKS = RESOLVE_NO_MAGICLINKS;
const uint64_t CLinux_RESOLVE_NO_XDEV = RESOLVE_NO_XDEV;
const uint64_t CLinux_RESOLVE_NO_SYMLINKS = RESOLVE_NO_SYMLINKS;
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif
const uint64_t CLinux_RESOLVE_CACHED = RESOLVE_CACHED;

int64_t CLinux_fileSystemType(int fd) {
    struct statfs status;
    return fstatfs(fd, &status) == 0 ? (int64_t)status.f_type : -1;
}

ssize_t CLinux_preadCached(int fd, void *bytes, size_t count, off_t offset) {
    struct iovec buffer = {.iov_base = bytes, .iov_len = count};
    return preadv2(fd, &buffer, 1, offset, RWF_NOWAIT);
}

// Not in the headers of Linux 6.1.
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

int64_t CLinux_cachedPages(int fd, uint64_t offset, uint64_t count) {
    struct { uint64_t offset, count; } range = {offset, count};
    struct { uint64_t cached, dirty, writeback, evicted, recentlyEvicted; } pages;
    return syscall(SYS_cachestat, fd, &range, &pages, 0) == 0 ? (int64_t)pages.cached : -1;
}

int CLinux_memfdCreate(const char *name, unsigned int flags) { return memfd_create(name, flags); }

const unsigned int CLinux_MFD_CLOEXEC = MFD_CLOEXEC;

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif
const int CLinux_SOL_TLS = SOL_TLS;
const int CLinux_TCP_ULP = TCP_ULP;
// Linux 6.19
#ifndef TLS_TX_MAX_PAYLOAD_LEN
#define TLS_TX_MAX_PAYLOAD_LEN 5
#endif
const int CLinux_TLS_TX_MAX_PAYLOAD_LEN = TLS_TX_MAX_PAYLOAD_LEN;

const unsigned long CLinux_SIOCOUTQNSD = SIOCOUTQNSD;

int CLinux_cpuCount(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

int CLinux_exitStatus(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

ssize_t CLinux_sendRecord(int fd, uint8_t type, const void *bytes, size_t count) {
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof type)]; } control = {0};
    struct iovec content = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(sizeof type)};
    control.header = (struct cmsghdr){.cmsg_level = SOL_TLS, .cmsg_type = TLS_SET_RECORD_TYPE,
                                      .cmsg_len = CMSG_LEN(sizeof type)};
    *CMSG_DATA(&control.header) = type;
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t CLinux_receiveRecord(int fd, uint8_t *type, void *bytes, size_t count) {
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof *type)]; } control = {0};
    struct iovec content = {.iov_base = bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t received = recvmsg(fd, &message, MSG_DONTWAIT);
    struct cmsghdr *header = received < 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_TLS && header->cmsg_type == TLS_GET_RECORD_TYPE) *type = *CMSG_DATA(header);
    return received;
}

// Apart, because <linux/tcp.h> knows fields of tcp_info that <netinet/tcp.h> lacks, and can't stand beside it.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

int CLinux_tcpDelivery(int fd, uint64_t *acknowledged, uint32_t *waiting) {
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return -1;
    *acknowledged = info.tcpi_bytes_acked;
    *waiting = info.tcpi_unacked + info.tcpi_notsent_bytes;
    return length >= offsetof(struct tcp_info, tcpi_notsent_bytes) + sizeof info.tcpi_notsent_bytes ? 0 : -1;
}

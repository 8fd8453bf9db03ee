// The floor: the least that a C loop can do to answer one file over HTTP/1.1. For comparison only, never to be used.
//
// It reads no request: at the blank line it sends the one file that it was started with, whatever was asked for. The
// file is open, the head is ready, there are no limits, timers, logs or second chances. A real server can only come
// near it; how near, is what the benchmark measures.
//
//   floor -p PORT -f FILE [-m plain|tls|ktls] [-c CERT -k KEY] [-x]        -x: close after each response
//
// Up to 16 KiB head and body leave from one buffer in one call. Above that: send(MSG_MORE) and sendfile (plain, ktls),
// or SSL_write into memory and one send for each 64 KiB (tls), which costs less than a send for each record.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL = 16 * 1024, TURN = 64 * 1024, EVENTS = 64 };
enum mode { PLAIN, TLS, KTLS };

struct connection {
    int fd;
    SSL *ssl;
    bool greeted;  // the handshake is done
    bool sending;  // a response is under way
    size_t sent;   // bytes of head and body that were handed on
};

static enum mode mode = PLAIN;
static bool close_after_response;
static SSL_CTX *context;
static int file;
static const char *body;
static size_t head_size, size;  // size: head and body
static char response[1024 + SMALL];

static void fail(const char *what) {
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void open_file(const char *path) {
    struct stat status;
    if ((file = open(path, O_RDONLY | O_CLOEXEC)) < 0 || fstat(file, &status) < 0) fail(path);
    size_t length = (size_t)status.st_size;
    body = mmap(NULL, length, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    if (body == MAP_FAILED) fail("mmap");
    head_size = (size_t)snprintf(response, 1024,
                                 "HTTP/1.1 200 OK\r\nServer: floor\r\nContent-Type: application/octet-stream\r\n"
                                 "Content-Length: %zu\r\n%s\r\n",
                                 length, close_after_response ? "Connection: close\r\n" : "");
    size = head_size + length;
    if (length <= SMALL) memcpy(response + head_size, body, length);
}

static void open_context(const char *certificate, const char *key) {
    context = SSL_CTX_new(TLS_server_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") ||
        SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        fail("certificate or key");
    SSL_CTX_set_read_ahead(context, 1);  // a record in one read, not its header first
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE);
    if (mode == KTLS) SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
}

static int open_listener(uint16_t port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0) fail("listen");
    return fd;
}

static void end(struct connection *c) {
    if (c->ssl) SSL_free(c->ssl);
    close(c->fd);
    free(c);
}

static void accept_one(int epoll, int listener) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct connection *c = calloc(1, sizeof *c);
    if (!c) fail("calloc");
    c->fd = fd;
    c->greeted = mode == PLAIN;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (mode != PLAIN) {
        if (!(c->ssl = SSL_new(context)) || !SSL_set_fd(c->ssl, fd)) fail("SSL_new");
        if (mode == TLS) SSL_set0_wbio(c->ssl, BIO_new(BIO_s_mem()));
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// Sends what OpenSSL has written into memory. False: the socket takes no more now, or is broken.
static bool flush(struct connection *c) {
    if (mode != TLS) return true;
    char *bytes;
    BIO *memory = SSL_get_wbio(c->ssl);
    long length = BIO_get_mem_data(memory, &bytes);
    if (length == 0) return true;
    ssize_t n = send(c->fd, bytes, (size_t)length, MSG_NOSIGNAL);
    if (n < 0) return false;
    if (n < length) {
        // What is left stays in memory: reading from the BIO only moves its start.
        static char discarded[TURN * 2];
        BIO_read(memory, discarded, (int)n);
        return false;
    }
    BIO_reset(memory);
    return true;
}

// Each sends as much of the response as the socket takes.
static void send_small(struct connection *c) {
    ssize_t n = send(c->fd, response + c->sent, size - c->sent, MSG_NOSIGNAL);
    if (n > 0) c->sent += (size_t)n;
}

static void send_large(struct connection *c) {
    ssize_t n;
    if (c->sent < head_size) {
        n = send(c->fd, response + c->sent, head_size - c->sent, MSG_MORE | MSG_NOSIGNAL);
        if (n > 0) c->sent += (size_t)n;
        if (c->sent < head_size) return;
    }
    do {
        off_t offset = (off_t)(c->sent - head_size);
        n = sendfile(c->fd, file, &offset, size - c->sent);
        if (n > 0) c->sent += (size_t)n;
    } while (n > 0 && c->sent < size);
}

static void send_encrypted(struct connection *c) {
    do {
        if (!flush(c)) return;
        const char *from = response + c->sent;
        size_t left = size - c->sent;
        if (size > head_size + SMALL) {
            if (c->sent < head_size) left = head_size - c->sent;
            else from = body + (c->sent - head_size);
        }
        // A record of 16 KiB at a time; several of them to a send.
        for (size_t written = 0; left > 0 && written < TURN;) {
            int n = SSL_write(c->ssl, from, left < SMALL ? (int)left : SMALL);
            if (n <= 0) fail("SSL_write into memory");
            from += n, left -= (size_t)n, written += (size_t)n, c->sent += (size_t)n;
            if (c->sent == head_size) from = body, left = size - head_size;
        }
    } while (flush(c) && c->sent < size);
}

static bool drained(struct connection *c) {
    char *bytes;
    return c->sent == size && (mode != TLS || BIO_get_mem_data(SSL_get_wbio(c->ssl), &bytes) == 0);
}

// False: the connection is over.
static bool greet(struct connection *c) {
    ERR_clear_error();
    int result = SSL_accept(c->ssl);
    flush(c);
    if (result != 1) return SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ;
    if (mode == KTLS && !BIO_get_ktls_send(SSL_get_wbio(c->ssl))) {
        fputs("floor: this kernel did not take the keys\n", stderr);
        exit(1);
    }
    return c->greeted = true;
}

// 1: a request is here, 0: not yet, -1: the connection is over.
static int receive(struct connection *c) {
    static char request[SMALL];
    ssize_t n;
    if (mode == PLAIN) {
        n = recv(c->fd, request, sizeof request, 0);
        if (n < 0 && errno == EAGAIN) return 0;
    } else {
        ERR_clear_error();
        n = SSL_read(c->ssl, request, sizeof request);
        if (n <= 0 && SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_READ) return 0;
    }
    if (n <= 0) return -1;
    return memmem(request, (size_t)n, "\r\n\r\n", 4) ? 1 : 0;
}

static void serve(struct connection *c) {
    if (!c->greeted && (!greet(c) || !c->greeted)) {
        if (SSL_in_init(c->ssl) && SSL_get_error(c->ssl, -1) == SSL_ERROR_WANT_READ) return;
        return end(c);
    }
    for (;;) {
        bool resumed = c->sending;
        if (!c->sending) {
            int result = receive(c);
            if (result < 0) return end(c);
            if (result == 0) return;
            c->sending = true;
            c->sent = 0;
        }
        errno = 0;
        if (mode == TLS) send_encrypted(c);
        else if (size <= head_size + SMALL) send_small(c);
        else send_large(c);
        if (!drained(c)) {
            if (errno != 0 && errno != EAGAIN) end(c);
            return;
        }
        c->sending = false;
        if (close_after_response) {
            if (c->ssl) SSL_shutdown(c->ssl), flush(c);
            return end(c);
        }
        // The edge for a request that came while we waited to send is gone, so look for it; else wait for the next.
        if (!resumed && !(c->ssl && SSL_has_pending(c->ssl))) return;
    }
}

int main(int count, char **arguments) {
    const char *path = NULL, *certificate = NULL, *key = NULL;
    int port = 0, option;
    while ((option = getopt(count, arguments, "p:f:m:c:k:x")) != -1) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'f': path = optarg; break;
        case 'm': mode = !strcmp(optarg, "ktls") ? KTLS : !strcmp(optarg, "tls") ? TLS : PLAIN; break;
        case 'c': certificate = optarg; break;
        case 'k': key = optarg; break;
        case 'x': close_after_response = true; break;
        default: return 64;
        }
    }
    if (!port || !path || (mode != PLAIN && !(certificate && key))) {
        fputs("usage: floor -p PORT -f FILE [-m plain|tls|ktls] [-c CERT -k KEY] [-x]\n", stderr);
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    open_file(path);
    if (mode != PLAIN) open_context(certificate, key);
    int listener = open_listener((uint16_t)port), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll_ctl");
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) serve(events[i].data.ptr);
            else accept_one(epoll, listener);
        }
    }
}

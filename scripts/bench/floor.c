// The floor: the least that a C loop can do to answer one file over HTTP/1.1. For comparison only, never to be used.
//
// It reads no request: at the blank line it sends the one file that it was started with, whatever was asked for. The
// file is open, the head is ready, there are no limits, timers, logs or second chances. A real server can only come
// near it; how near, is what the benchmark measures.
//
//   floor -p PORT -f FILE [-m plain|tls|ktls] [-c CERT -k KEY] [-x] [-n]
//       -x: close after each response; -n: the response is 304 (Not Modified), whatever was asked for
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

enum { SMALL = 16 * 1024, TURN = 64 * 1024, OUT = TURN + SMALL, EVENTS = 64 };
enum mode { PLAIN, TLS, KTLS };

struct connection {
    int fd;
    SSL *ssl;
    bool greeted;                 // the handshake is done
    bool sending;                 // a response is under way
    size_t sent;                  // bytes of head and body that were handed on
    char *out;                    // user TLS: what OpenSSL has written and the socket has not yet taken
    size_t out_start, out_end;
};

static enum mode mode = PLAIN;
static bool close_after_response, not_modified;
static SSL_CTX *context;
static BIO_METHOD *into_memory;
static int file;
static const char *body;
static size_t head_size, size;  // size: head and body
static char response[1024 + SMALL];  // the head and the first of the body

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
    if (not_modified) {
        size = head_size = (size_t)snprintf(response, 1024, "HTTP/1.1 304 Not Modified\r\nServer: floor\r\nETag: \"floor\"\r\n"
                                                            "Last-Modified: Mon, 06 May 2024 07:08:09 GMT\r\n\r\n");
        return;
    }
    head_size = (size_t)snprintf(response, 1024,
                                 "HTTP/1.1 200 OK\r\nServer: floor\r\nContent-Type: application/octet-stream\r\n"
                                 "Content-Length: %zu\r\n%s\r\n",
                                 length, close_after_response ? "Connection: close\r\n" : "");
    size = head_size + length;
    memcpy(response + head_size, body, length < SMALL ? length : SMALL);
}

static int write_into_memory(BIO *bio, const char *bytes, int count) {
    struct connection *c = BIO_get_data(bio);
    if (c->out_end + (size_t)count > OUT) return -1;
    memcpy(c->out + c->out_end, bytes, (size_t)count);
    c->out_end += (size_t)count;
    return count;
}

static long control_memory(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
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
    into_memory = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "memory");
    BIO_meth_set_write(into_memory, write_into_memory);
    BIO_meth_set_ctrl(into_memory, control_memory);
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
    SSL_free(c->ssl);
    free(c->out);
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
        if (mode == TLS) {
            BIO *memory = BIO_new(into_memory);
            if (!memory || !(c->out = malloc(OUT))) fail("memory");
            BIO_set_data(memory, c);
            BIO_set_init(memory, 1);
            SSL_set0_wbio(c->ssl, memory);
        }
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// Sends what OpenSSL has written into memory. False: the socket takes no more now, or is broken.
static bool flush(struct connection *c) {
    if (c->out_start < c->out_end) {
        ssize_t n = send(c->fd, c->out + c->out_start, c->out_end - c->out_start, MSG_NOSIGNAL);
        if (n > 0) c->out_start += (size_t)n;
        if (c->out_start < c->out_end) return false;
    }
    c->out_start = c->out_end = 0;
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
    while (flush(c) && c->sent < size) {
        // Records of 16 KiB; TURN bytes to a send.
        for (size_t turn = 0; turn < TURN && c->sent < size;) {
            bool first = c->sent < SMALL;  // head and body share the first record
            const char *from = first ? response + c->sent : body + (c->sent - head_size);
            size_t end = first ? SMALL : c->sent + SMALL;
            int n = SSL_write(c->ssl, from, (int)((end < size ? end : size) - c->sent));
            if (n <= 0) fail("SSL_write into memory");
            c->sent += (size_t)n;
            turn += (size_t)n;
        }
    }
}

enum result { OVER, LATER, NOW };

static enum result result_of(struct connection *c, int returned) {
    if (returned > 0) return NOW;
    return SSL_get_error(c->ssl, returned) == SSL_ERROR_WANT_READ ? LATER : OVER;
}

static enum result greet(struct connection *c) {
    ERR_clear_error();
    enum result result = result_of(c, SSL_accept(c->ssl));
    flush(c);
    if (result != NOW) return result;
    if (mode == KTLS && !BIO_get_ktls_send(SSL_get_wbio(c->ssl))) {
        fputs("floor: this kernel did not take the keys\n", stderr);
        exit(1);
    }
    c->greeted = true;
    return NOW;
}

static enum result receive(struct connection *c) {
    static char request[SMALL];
    enum result result;
    ssize_t n;
    if (mode == PLAIN) {
        n = recv(c->fd, request, sizeof request, 0);
        result = n > 0 ? NOW : n < 0 && errno == EAGAIN ? LATER : OVER;
    } else {
        ERR_clear_error();
        n = SSL_read(c->ssl, request, sizeof request);
        result = result_of(c, (int)n);
    }
    return result == NOW && !memmem(request, (size_t)n, "\r\n\r\n", 4) ? LATER : result;
}

static enum result send_response(struct connection *c) {
    errno = 0;
    if (mode == TLS) send_encrypted(c);
    else if (size <= head_size + SMALL) send_small(c);
    else send_large(c);
    if (c->sent == size && c->out_start == c->out_end) return NOW;
    return errno == EAGAIN || errno == 0 ? LATER : OVER;
}

// Goes on with a connection until it has to wait.
static void serve(struct connection *c) {
    enum result result = c->greeted ? NOW : greet(c);
    bool waited = c->sending, more = true;
    while (result == NOW && more) {
        if (!c->sending && (result = receive(c)) != NOW) break;
        if (!c->sending) c->sent = 0;
        c->sending = true;
        if ((result = send_response(c)) != NOW) break;
        c->sending = false;
        if (close_after_response) {
            if (c->ssl) SSL_shutdown(c->ssl), flush(c);
            result = OVER;
        }
        // The edge of a request that came while we waited to send is gone, so look for it. Else wait for the next.
        more = waited || (c->ssl && SSL_has_pending(c->ssl));
    }
    if (result == OVER) end(c);
}

int main(int count, char **arguments) {
    const char *path = NULL, *certificate = NULL, *key = NULL;
    int port = 0, option;
    while ((option = getopt(count, arguments, "p:f:m:c:k:xn")) != -1) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'f': path = optarg; break;
        case 'm': mode = !strcmp(optarg, "ktls") ? KTLS : !strcmp(optarg, "tls") ? TLS : PLAIN; break;
        case 'c': certificate = optarg; break;
        case 'k': key = optarg; break;
        case 'x': close_after_response = true; break;
        case 'n': not_modified = true; break;
        default: return 64;
        }
    }
    if (!port || !path || (mode != PLAIN && !(certificate && key))) {
        fputs("usage: floor -p PORT -f FILE [-m plain|tls|ktls] [-c CERT -k KEY] [-x] [-n]\n", stderr);
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

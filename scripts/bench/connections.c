// A client that makes connections, for what wrk can't do: full and resumed TLS handshakes, and connections held idle.
//
//   connections -p PORT -u PATH -s SIZE [-t] [-r] [-c THREADS] [-d SECONDS] [-n COUNT]
//       opens connections one after the other in each thread until the time is over or COUNT are done. Each carries one
//       GET that asks to close, whose response must have the status 200 and SIZE bytes of content.
//       -t: TLS (1.3, TLS_AES_128_GCM_SHA256), each handshake a full one; -r: each resumes the session before it.
//   connections -i -p PORT -u PATH -s SIZE [-t] -n COUNT
//       opens COUNT connections, makes one request on each, prints how many it holds, holds them until stdin ends, and
//       prints how many of them the server has kept open, too.
//
// Prints JSON, one object a line. A handshake of the other kind, a wrong response and a failed connection count as errors.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 1 << 20, THREADS = 64, BUFFER = 64 * 1024 };

static struct sockaddr_in address;
static char request[1024];
static size_t request_size, content_size;
static bool tls, resume, idle;
static double deadline;
static long limit = SAMPLES;

// A connection, and for resumption the session of the one before it.
struct client {
    pthread_t thread;
    SSL_CTX *context;
    SSL_SESSION *session;
    long errors;
    unsigned long long bytes;
};

static float *samples;  // microseconds
static long done;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
    struct client *client = SSL_get_app_data(ssl);
    if (!resume) return 0;
    SSL_SESSION_free(client->session);
    client->session = session;
    return 1;
}

static SSL_CTX *make_context(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256")) {
        fputs("connections: OpenSSL failed\n", stderr);
        exit(1);
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    return context;
}

static ssize_t read_some(int fd, SSL *ssl, char *buffer, size_t room) {
    return ssl ? SSL_read(ssl, buffer, (int)room) : recv(fd, buffer, room, 0);
}

// Makes the request; reads one response, to the connection's end if that was asked for. True if it is as it should be.
static bool exchange(int fd, SSL *ssl, unsigned long long *bytes) {
    static _Thread_local char buffer[BUFFER];
    ssize_t n = ssl ? SSL_write(ssl, request, (int)request_size) : send(fd, request, request_size, MSG_NOSIGNAL);
    if (n != (ssize_t)request_size) return false;
    size_t got = 0, want = 0;  // want: head and content, once the head is known
    while (!(idle && want && got >= want)) {
        // The head fits the buffer; of the content only the length counts.
        size_t kept = want ? 0 : got;
        if (kept == sizeof buffer) return false;
        if ((n = read_some(fd, ssl, buffer + kept, sizeof buffer - kept)) <= 0) break;
        got += (size_t)n;
        char *blank = want ? NULL : memmem(buffer, got, "\r\n\r\n", 4);
        if (blank) want = (size_t)(blank + 4 - buffer) + content_size;
        if (!want && got > 12 && memcmp(buffer, "HTTP/1.1 200", 12)) return false;
    }
    *bytes += got;
    return want && got == want;
}

static int open_socket(void) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

static SSL *greet(struct client *client, int fd) {
    SSL *ssl = SSL_new(client->context);
    SSL_set_fd(ssl, fd);
    SSL_set_app_data(ssl, client);
    if (resume && client->session) {
        // A copy, since OpenSSL uses a ticket once, and not every server gives a new one when a session is resumed.
        SSL_SESSION *copy = SSL_SESSION_dup(client->session);
        SSL_set_session(ssl, copy);
        SSL_SESSION_free(copy);
    }
    if (SSL_connect(ssl) == 1) return ssl;
    SSL_free(ssl);
    return NULL;
}

// One connection with one request. True if all went as it should.
static bool visit(struct client *client) {
    bool resumes = resume && client->session, good = false;
    int fd = open_socket();
    if (fd < 0) return false;
    SSL *ssl = tls ? greet(client, fd) : NULL;
    if (!tls || ssl) {
        good = exchange(fd, ssl, &client->bytes);
        if (ssl) good = good && SSL_session_reused(ssl) == resumes;
        if (ssl) SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    close(fd);
    return good;
}

static void *run(void *argument) {
    struct client *client = argument;
    if (resume && !visit(client)) client->errors++;  // gets the first session
    while (now() < deadline) {
        long place = __atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
        if (place >= limit) break;
        double start = now();
        if (!visit(client)) client->errors++;
        samples[place] = (float)((now() - start) * 1e6);
        if (client->errors > 100) break;
    }
    return NULL;
}

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void visit_repeatedly(int threads) {
    static struct client clients[THREADS];
    double start = now(), sum = 0;
    long errors = 0;
    unsigned long long bytes = 0;
    samples = calloc(SAMPLES, sizeof *samples);
    deadline += start;
    for (int i = 0; i < threads; i++) {
        clients[i].context = tls ? make_context() : NULL;
        pthread_create(&clients[i].thread, NULL, run, &clients[i]);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(clients[i].thread, NULL);
        errors += clients[i].errors, bytes += clients[i].bytes;
    }
    double seconds = now() - start;
    long count = done < limit ? done : limit;
    for (long i = 0; i < count; i++) sum += samples[i];
    qsort(samples, (size_t)count, sizeof *samples, compare);
    // The first visit of a resuming thread is work for the server, too.
    long requests = count + (resume ? threads : 0);
    printf("{\"requests\": %ld, \"seconds\": %.6f, \"bytes\": %llu, \"errors\": %ld, \"mean\": %.1f", requests, seconds,
           bytes, errors, count ? sum / (double)count : 0);
    for (int i = 0; i < 4; i++) {
        int percent = (int[]){50, 75, 90, 99}[i];
        printf(", \"p%d\": %.1f", percent, count ? samples[count * percent / 100] : 0);
    }
    puts("}");
}

static void hold(void) {
    static struct client client;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    client.context = tls ? make_context() : NULL;
    struct pollfd *held_open = calloc((size_t)limit, sizeof *held_open);
    long held = 0;
    while (held < limit) {
        int fd = open_socket();
        SSL *ssl = fd >= 0 && tls ? greet(&client, fd) : NULL;
        if (fd < 0 || (tls && !ssl) || !exchange(fd, ssl, &client.bytes)) break;
        held_open[held++] = (struct pollfd){.fd = fd, .events = POLLRDHUP};
    }
    printf("{\"held\": %ld}\n", held);
    fflush(stdout);
    while (getchar() != EOF) continue;
    int closed = poll(held_open, (nfds_t)held, 0);
    printf("{\"kept\": %ld}\n", held - closed);
}

int main(int count, char **arguments) {
    const char *path = "/";
    int port = 0, threads = 1, option;
    deadline = 1e9;
    while ((option = getopt(count, arguments, "p:u:s:c:d:n:tri")) != -1) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'u': path = optarg; break;
        case 's': content_size = strtoul(optarg, NULL, 10); break;
        case 'c': threads = atoi(optarg); break;
        case 'd': deadline = strtod(optarg, NULL); break;
        case 'n': limit = strtol(optarg, NULL, 10); break;
        case 't': tls = true; break;
        case 'r': resume = true; break;
        case 'i': idle = true; break;
        default: return 64;
        }
    }
    bool bounded = threads >= 1 && threads <= THREADS && limit >= 1 && limit <= SAMPLES;
    if (!port || !content_size || !bounded || (resume && !tls)) {
        fputs("connections: wrong usage (see the head of connections.c)\n", stderr);
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    request_size = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", path,
                                    idle ? "" : "Connection: close\r\n");
    if (idle) hold();
    else visit_repeatedly(threads);
    return 0;
}

// A file system for tests whose answers come late, never, or as errors: a FUSE server that its tester controls.
//
// Usage: slow-disk FOLDER
//
// Mounts itself at FOLDER and says "ok" on standard output; then obeys commands on standard input, a line each, and
// answers each with a line "ok [NUMBER]" or "error WHY". Ends, and unmounts, when standard input ends.
//
//   folder PATH                 makes a folder
//   file PATH SIZE [FIRST]      makes a file of SIZE bytes of the tests' pattern from byte FIRST of it on
//   time SECONDS                the times of files whose attributes the kernel gets from now on, since 1970
//   validity SECONDS            for how long the kernel may keep the names and attributes that it gets from now on
//   delay OP PATH MS [FROM]     from now on, answers to OP of PATH come after MS milliseconds
//   hold OP PATH [FROM]         from now on, answers to OP of PATH don't come
//   fail OP PATH ERRNO [FROM]   from now on, answers to OP of PATH are this error
//   clear                       ends all delays, holds and failures for what is asked from now on
//   release                     the same, and answers what is held
//   held                        how many requests are held or delayed
//   count OP PATH               how often the kernel has asked for OP of PATH
//
// OP is read, open, lookup, getattr, readdir or * for all of them; PATH is relative to FOLDER, or * for all. Of several rules
// the one made last counts. With FROM, only reads of bytes from there on are meant. Besides, files can be removed and
// renamed in the mounted folder itself. All times of a file are the same, and in the past, as in an image.
//
// One thread: an answer that is not due is a note in a list, and keeps no other answer waiting. It speaks the kernel's
// protocol without libfuse, so that it needs nothing but the kernel's headers.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { pattern_period = 1000003, longest_read = 1 << 20, input_size = 1 << 17, never = -1 };

static int fuse = -1;
static uint64_t validity = 3600;
// 2001-09-09 01:46:40 UTC.
static uint64_t file_time = 1000000000;

_Noreturn static void die(const char *what) {
    printf("error %s: %s\n", what, strerror(errno));
    fflush(stdout);
    exit(1);
}

static void *allocated(void *memory) {
    if (!memory) die("memory");
    return memory;
}

// Makes room for one more element of an array and returns it, zeroed.
static void *append(void *array, size_t *count, size_t size) {
    char **start = array;
    *start = allocated(realloc(*start, (*count + 1) * size));
    return memset(*start + (*count)++ * size, 0, size);
}

static int64_t milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

// MARK: The tree

// Its number is its index + FUSE_ROOT_ID. Never forgotten, so that numbers are not used again.
struct node {
    char *path;  // empty: the root
    bool is_folder, is_removed;
    uint64_t size, first;
};

static struct node *nodes;
static size_t node_count;

static struct node *node_of(uint64_t number) {
    return number >= FUSE_ROOT_ID && number - FUSE_ROOT_ID < node_count ? &nodes[number - FUSE_ROOT_ID] : NULL;
}

static struct node *find(const char *path) {
    for (size_t index = 0; index < node_count; ++index)
        if (!nodes[index].is_removed && strcmp(nodes[index].path, path) == 0) return &nodes[index];
    return NULL;
}

// The path of a name in a folder; to be freed.
static char *path_in(uint64_t folder, const char *name) {
    struct node *parent = node_of(folder);
    char *path = NULL;
    const char *prefix = parent ? parent->path : "?";
    if (asprintf(&path, "%s%s%s", prefix, *prefix ? "/" : "", name) < 0) die("memory");
    return path;
}

static void add(const char *path, bool is_folder, uint64_t size, uint64_t first) {
    struct node *node = append(&nodes, &node_count, sizeof *node);
    node->path = allocated(strdup(path));
    node->is_folder = is_folder;
    node->size = size;
    node->first = first;
}

static uint8_t pattern[pattern_period];

// The same bytes as the tests' `Pattern`.
static void make_pattern(void) {
    uint64_t state = 0x9E3779B97F4A7C15;
    for (size_t index = 0; index < pattern_period; ++index) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        pattern[index] = (uint8_t)(state >> 24);
    }
}

// MARK: Rules

struct rule {
    char op[8];
    char *path;
    int64_t delay;  // `never`: held
    int error;
    uint64_t from;
};

static struct rule *rules;
static size_t rule_count;

static bool is_match(const char *wanted, const char *given) {
    return strcmp(wanted, "*") == 0 || strcmp(wanted, given) == 0;
}

// The last rule that applies; NULL: an answer at once. `end` is where the bytes end that are asked for.
static const struct rule *rule_for(const char *op, const char *path, uint64_t end) {
    for (size_t index = rule_count; index-- > 0;) {
        const struct rule *rule = &rules[index];
        if (is_match(rule->op, op) && is_match(rule->path, path) && (rule->from == 0 || end > rule->from)) return rule;
    }
    return NULL;
}

static void clear_rules(void) {
    for (size_t index = 0; index < rule_count; ++index) free(rules[index].path);
    rule_count = 0;
}

struct counter {
    char op[8];
    char *path;
    unsigned long count;
};

static struct counter *counters;
static size_t counter_count;

static void count(const char *op, const char *path) {
    for (size_t index = 0; index < counter_count; ++index) {
        struct counter *counter = &counters[index];
        if (strcmp(counter->op, op) == 0 && strcmp(counter->path, path) == 0) {
            ++counter->count;
            return;
        }
    }
    struct counter *counter = append(&counters, &counter_count, sizeof *counter);
    snprintf(counter->op, sizeof counter->op, "%s", op);
    counter->path = allocated(strdup(path));
    counter->count = 1;
}

static unsigned long counted(const char *op, const char *path) {
    unsigned long sum = 0;
    for (size_t index = 0; index < counter_count; ++index)
        if (is_match(op, counters[index].op) && is_match(path, counters[index].path)) sum += counters[index].count;
    return sum;
}

// MARK: Answers

// Sends an answer. That nobody waits for it any more is no fault.
static void answer(uint64_t unique, int error, const void *bytes, size_t size) {
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof header + size), .error = -error, .unique = unique};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)bytes, size}};
    (void)!writev(fuse, parts, size ? 2 : 1);
}

static struct fuse_attr attributes(const struct node *node) {
    return (struct fuse_attr){
        .ino = (uint64_t)(node - nodes) + FUSE_ROOT_ID,
        .size = node->size,
        .blocks = (node->size + 511) / 512,
        .atime = file_time,
        .mtime = file_time,
        .ctime = file_time,
        .mode = node->is_folder ? S_IFDIR | 0755 : S_IFREG | 0644,
        .nlink = node->is_removed ? 0 : 1,
        .blksize = 4096,
    };
}

static void answer_lookup(uint64_t unique, const char *path) {
    struct node *node = find(path);
    if (!node) {
        answer(unique, ENOENT, NULL, 0);
        return;
    }
    struct fuse_entry_out entry = {
        .nodeid = (uint64_t)(node - nodes) + FUSE_ROOT_ID,
        .entry_valid = validity,
        .attr_valid = validity,
        .attr = attributes(node),
    };
    answer(unique, 0, &entry, sizeof entry);
}

static void answer_read(uint64_t unique, const struct node *node, uint64_t offset, uint64_t size) {
    static uint8_t bytes[longest_read];
    uint64_t end = offset + size < node->size ? offset + size : node->size;
    size_t done = 0;
    while (offset < end && done < sizeof bytes) {
        size_t start = (node->first + offset) % pattern_period;
        size_t length = pattern_period - start;
        if (length > end - offset) length = end - offset;
        if (length > sizeof bytes - done) length = sizeof bytes - done;
        memcpy(bytes + done, pattern + start, length);
        done += length;
        offset += length;
    }
    answer(unique, 0, bytes, done);
}

// The names in a folder from `offset` on, which is the number of the node behind the last one that was given.
static void answer_readdir(uint64_t unique, const struct node *folder, uint64_t offset, uint64_t size) {
    static uint8_t bytes[longest_read];
    size_t done = 0, prefix = strlen(folder->path) + (*folder->path ? 1 : 0);
    for (size_t index = offset; index < node_count; ++index) {
        const struct node *node = &nodes[index];
        const char *name = node->path + prefix;
        if (node->is_removed || node == folder || strlen(node->path) <= prefix || strchr(name, '/')
            || strncmp(node->path, folder->path, prefix ? prefix - 1 : 0) != 0 || (prefix && name[-1] != '/'))
            continue;
        size_t length = strlen(name), entry_size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + length);
        if (done + entry_size > size || done + entry_size > sizeof bytes) break;
        struct fuse_dirent *entry = (struct fuse_dirent *)(bytes + done);
        memset(entry, 0, entry_size);
        *entry = (struct fuse_dirent){.ino = index + FUSE_ROOT_ID, .off = index + 1, .namelen = (uint32_t)length,
                                      .type = (node->is_folder ? S_IFDIR : S_IFREG) >> 12};
        memcpy(entry->name, name, length);
        done += entry_size;
    }
    answer(unique, 0, bytes, done);
}

// A request that a rule may be about.
struct request {
    uint64_t unique;
    uint32_t opcode;
    uint64_t node;
    char *path;  // Of what is asked about, when it was asked.
    uint64_t offset, size;
    int64_t due;  // `never`: held
    int error;
};

static struct request *waiting;
static size_t waiting_count;

static void finish(struct request *request) {
    struct node *node = node_of(request->node);
    if (request->error || !node) {
        answer(request->unique, request->error ? request->error : ESTALE, NULL, 0);
    } else if (request->opcode == FUSE_LOOKUP) {
        answer_lookup(request->unique, request->path);
    } else if (request->opcode == FUSE_READ) {
        answer_read(request->unique, node, request->offset, request->size);
    } else if (request->opcode == FUSE_READDIR) {
        answer_readdir(request->unique, node, request->offset, request->size);
    } else if (request->opcode == FUSE_GETATTR) {
        struct fuse_attr_out out = {.attr_valid = validity, .attr = attributes(node)};
        answer(request->unique, 0, &out, sizeof out);
    } else {
        // What is in the page cache stays there: a disk's does, too.
        struct fuse_open_out out = {.open_flags = FOPEN_KEEP_CACHE};
        answer(request->unique, 0, &out, sizeof out);
    }
    free(request->path);
}

// Answers what is due, in the order in which it was asked; or all.
static void finish_due(bool all) {
    int64_t time = milliseconds();
    size_t kept = 0;
    for (size_t index = 0; index < waiting_count; ++index) {
        if (all || (waiting[index].due != never && waiting[index].due <= time))
            finish(&waiting[index]);
        else
            waiting[kept++] = waiting[index];
    }
    waiting_count = kept;
}

// Milliseconds until an answer is due, for poll.
static int time_left(void) {
    int64_t first = INT64_MAX;
    for (size_t index = 0; index < waiting_count; ++index)
        if (waiting[index].due != never && waiting[index].due < first) first = waiting[index].due;
    if (first == INT64_MAX) return -1;
    int64_t left = first - milliseconds();
    return left < 0 ? 0 : (int)left;
}

// Whoever waits for this answer is about to be killed. Else it could not end until the answer is released.
static void interrupt(uint64_t unique) {
    for (size_t index = 0; index < waiting_count; ++index) {
        if (waiting[index].unique != unique) continue;
        answer(unique, EINTR, NULL, 0);
        free(waiting[index].path);
        memmove(&waiting[index], &waiting[index + 1], (--waiting_count - index) * sizeof *waiting);
        return;
    }
}

static void accept_request(const char *op, struct request request) {
    count(op, request.path);
    const struct rule *rule = rule_for(op, request.path, request.offset + request.size);
    if (rule && rule->error) request.error = rule->error;
    if (!rule || rule->delay == 0) {
        finish(&request);
        return;
    }
    request.due = rule->delay == never ? never : milliseconds() + rule->delay;
    *(struct request *)append(&waiting, &waiting_count, sizeof request) = request;
}

// MARK: The kernel's requests

static void answer_init(uint64_t unique, const struct fuse_init_in *in) {
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FUSE_KERNEL_MINOR_VERSION,
        .max_readahead = in->max_readahead,
        // Lookups in one folder don't wait for one another, nor reads of one file.
        .flags = in->flags & (FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS | FUSE_BIG_WRITES),
        // So many reads may be held before the kernel keeps back those of other files.
        .max_background = UINT16_MAX,
        .congestion_threshold = UINT16_MAX,
        .max_write = 4096,
        .time_gran = 1,
    };
    answer(unique, 0, &out, sizeof out);
}

static int remove_file(uint64_t folder, const char *name) {
    char *path = path_in(folder, name);
    struct node *node = find(path);
    free(path);
    if (!node) return ENOENT;
    node->is_removed = true;
    return 0;
}

static int rename_file(uint64_t folder, const char *name, uint64_t new_folder, const char *new_name) {
    char *path = path_in(folder, name), *new_path = path_in(new_folder, new_name);
    struct node *node = find(path), *replaced = find(new_path);
    free(path);
    if (!node || node->is_folder) {
        free(new_path);
        return node ? EISDIR : ENOENT;
    }
    if (replaced) replaced->is_removed = true;
    // The old path may stand in requests that wait, each of which has a copy of its own.
    free(node->path);
    node->path = new_path;
    return 0;
}

static void handle(const struct fuse_in_header *header) {
    const void *input = header + 1;
    struct node *node = node_of(header->nodeid);
    struct request request = {.unique = header->unique, .opcode = header->opcode, .node = header->nodeid};
    switch (header->opcode) {
    case FUSE_INIT:
        answer_init(header->unique, input);
        break;
    case FUSE_LOOKUP:
        request.path = path_in(header->nodeid, input);
        accept_request("lookup", request);
        break;
    case FUSE_GETATTR:
    case FUSE_OPEN:
    case FUSE_READ:
    case FUSE_READDIR:
        request.path = allocated(strdup(node ? node->path : "?"));
        if (header->opcode == FUSE_READ || header->opcode == FUSE_READDIR) {
            const struct fuse_read_in *in = input;
            request.offset = in->offset;
            request.size = in->size;
        }
        accept_request(
            header->opcode == FUSE_GETATTR   ? "getattr"
            : header->opcode == FUSE_OPEN    ? "open"
            : header->opcode == FUSE_READDIR ? "readdir"
                                             : "read",
            request);
        break;
    case FUSE_OPENDIR: {
        struct fuse_open_out out = {0};
        answer(header->unique, 0, &out, sizeof out);
        break;
    }
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_DESTROY:
        answer(header->unique, 0, NULL, 0);
        break;
    case FUSE_STATFS: {
        struct fuse_statfs_out out = {.st = {.bsize = 4096, .frsize = 4096, .namelen = 255}};
        answer(header->unique, 0, &out, sizeof out);
        break;
    }
    case FUSE_UNLINK:
        answer(header->unique, remove_file(header->nodeid, input), NULL, 0);
        break;
    case FUSE_RENAME: {
        const struct fuse_rename_in *in = input;
        const char *name = (const char *)(in + 1);
        answer(header->unique, rename_file(header->nodeid, name, in->newdir, name + strlen(name) + 1), NULL, 0);
        break;
    }
    case FUSE_INTERRUPT:
        interrupt(((const struct fuse_interrupt_in *)input)->unique);
        break;
    case FUSE_FORGET:  // These want no answer.
    case FUSE_BATCH_FORGET:
        break;
    default:
        answer(header->unique, ENOSYS, NULL, 0);
    }
}

// Reads and handles one request; false when the file system is no longer mounted.
static bool read_request(void) {
    static _Alignas(struct fuse_in_header) char input[input_size];
    ssize_t count = read(fuse, input, sizeof input);
    if (count < 0) return errno != ENODEV;
    if ((size_t)count >= sizeof(struct fuse_in_header)) handle((const struct fuse_in_header *)input);
    return true;
}

// MARK: The tester's commands

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

static void add_rule(const char *op, const char *path, int64_t delay, int error, uint64_t from) {
    struct rule *rule = append(&rules, &rule_count, sizeof *rule);
    snprintf(rule->op, sizeof rule->op, "%s", op);
    rule->path = allocated(strdup(path));
    rule->delay = delay;
    rule->error = error;
    rule->from = from;
}

static void obey(char *line) {
    char *words[5] = {"", "", "", "", ""}, *rest = NULL;
    size_t count = 0;
    for (char *word = strtok_r(line, " ", &rest); word && count < 5; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    const char *command = words[0];
    unsigned long long first = strtoull(words[2], NULL, 10), second = strtoull(words[3], NULL, 10);
    if (strcmp(command, "folder") == 0 || strcmp(command, "file") == 0) {
        if (find(words[1])) {
            say("error there is %s", words[1]);
            return;
        }
        add(words[1], strcmp(command, "folder") == 0, first, second);
        say("ok");
    } else if (strcmp(command, "time") == 0) {
        file_time = strtoull(words[1], NULL, 10);
        say("ok");
    } else if (strcmp(command, "validity") == 0) {
        validity = strtoull(words[1], NULL, 10);
        say("ok");
    } else if (strcmp(command, "delay") == 0) {
        add_rule(words[1], words[2], (int64_t)second, 0, strtoull(words[4], NULL, 10));
        say("ok");
    } else if (strcmp(command, "hold") == 0) {
        add_rule(words[1], words[2], never, 0, second);
        say("ok");
    } else if (strcmp(command, "fail") == 0) {
        add_rule(words[1], words[2], 0, (int)second, strtoull(words[4], NULL, 10));
        say("ok");
    } else if (strcmp(command, "clear") == 0) {
        clear_rules();
        say("ok");
    } else if (strcmp(command, "release") == 0) {
        clear_rules();
        finish_due(true);
        say("ok");
    } else if (strcmp(command, "held") == 0) {
        say("ok %zu", waiting_count);
    } else if (strcmp(command, "count") == 0) {
        say("ok %lu", counted(words[1], words[2]));
    } else {
        say("error no such command: %s", command);
    }
}

// Reads and obeys whole lines; false at the end of standard input.
static bool read_commands(void) {
    static char line[1 << 12];
    static size_t length;
    ssize_t count = read(STDIN_FILENO, line + length, sizeof line - length);
    if (count <= 0) return count < 0 && errno == EINTR;
    length += (size_t)count;
    char *start = line, *end;
    while ((end = memchr(start, '\n', length))) {
        *end = 0;
        length -= (size_t)(end + 1 - start);
        obey(start);
        start = end + 1;
    }
    memmove(line, start, length);
    return length < sizeof line;
}

// MARK: Beginning and end

// A process that unmounts if this one is killed: a dead mount would be in the way of everybody who removes its folder.
static pid_t start_watch(const char *folder) {
    int life[2];
    if (pipe2(life, O_CLOEXEC) != 0) die("pipe");
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child > 0) {
        close(life[0]);
        return child;
    }
    setsid();
    // Whoever waits for our standard output to end must not wait for this; and the file system ends with its last
    // descriptor.
    close(fuse);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    close(life[1]);
    char byte;
    while (read(life[0], &byte, 1) < 0 && errno == EINTR) {}
    umount2(folder, MNT_DETACH);
    _exit(0);
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: slow-disk FOLDER\n");
        return 2;
    }
    const char *folder = arguments[1];
    make_pattern();
    add("", true, 0, 0);
    fuse = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fuse < 0) die("/dev/fuse");
    char options[128];
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other", fuse, getuid(),
        getgid());
    if (mount("slow-disk", folder, "fuse", MS_NOSUID | MS_NODEV, options) != 0) die("mount");
    pid_t watch = start_watch(folder);
    say("ok");

    struct pollfd inputs[] = {{.fd = fuse, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    bool goes_on = true;
    while (goes_on) {
        if (poll(inputs, 2, time_left()) < 0 && errno != EINTR) die("poll");
        if (inputs[0].revents) goes_on = read_request();
        if (inputs[1].revents) goes_on = read_commands() && goes_on;
        finish_due(false);
    }
    umount2(folder, MNT_DETACH);
    // Whatever is held ends with an error.
    close(fuse);
    kill(watch, SIGKILL);
    waitpid(watch, NULL, 0);
    return 0;
}

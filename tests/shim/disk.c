/* A disk that breaks and forgets, for tests: preloaded into the unmodified program, it stands between the program and
 * the C library for files below one folder.
 *
 *   DISK_DIR      the folder (absolute, as the program opens it); nothing is touched without it
 *   DISK_RECORD   where to append what was written and synced, in order; none: nothing is recorded
 *   DISK_FAULT    a file that says what is to fail; looked at before each call, so that it may come, change and go
 *   DISK_HITS     where to append a line for each call that was made to fail
 *
 * DISK_FAULT is one line: `ID KIND ERRNO FROM COUNT ENDING`. KIND is `write`, `sync`, `change` (`write`, and opening to
 * write), `any` of them, or `read`; calls on files whose path ends in ENDING (`*`: all) are counted, anew for each ID, and fail
 * from the FROM-th on, COUNT of them (0: all that follow). With `HANG` for ERRNO they do not return.
 *
 * Only the process that is started with it is preloaded: its children find the variable gone.
 *
 * A record is its head (see `struct head`), the path and the bytes; one write each, so that processes may share a file.
 * A write is recorded after it was done and before its caller goes on; a sync twice, when it begins and when it has
 * succeeded or failed: it covers what was recorded before it began.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, UNLINK, RENAME, SYNC_FAILED };

struct head {
    uint32_t kind;
    uint32_t path;   /* bytes of the path that follows */
    uint64_t file;   /* inode */
    uint64_t offset; /* of a write; the new length; the number of a sync; of a rename, bytes of the first path */
    uint64_t bytes;  /* that follow the path */
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char dir[PATH_MAX], fault[PATH_MAX], hits[PATH_MAX];
static size_t dir_bytes;
static int record = -1;

static int raw_open(const char *path, int flags) { return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600); }
static ssize_t raw_write(int fd, const void *from, size_t n) { return syscall(SYS_write, fd, from, n); }

__attribute__((constructor)) static void set_up(void) {
    const char *d = getenv("DISK_DIR"), *r = getenv("DISK_RECORD"), *f = getenv("DISK_FAULT"), *h = getenv("DISK_HITS");
    unsetenv("LD_PRELOAD");
    if (d && strlen(d) + 1 < sizeof dir) dir_bytes = strlen(strcpy(dir, d));
    if (f && strlen(f) < sizeof fault) strcpy(fault, f);
    if (h && strlen(h) < sizeof hits) strcpy(hits, h);
    if (r) {
        int fd = raw_open(r, O_WRONLY | O_CREAT | O_APPEND);
        /* Out of the way of numbers that the program may expect to be free. */
        record = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 700);
        if (record < 0) abort();
        syscall(SYS_close, fd);
    }
}

static int ours(const char *path) {
    return dir_bytes > 0 && strncmp(path, dir, dir_bytes) == 0 && (path[dir_bytes] == '/' || path[dir_bytes] == 0);
}

/* The path of an open file; 0 if it is not ours. */
static int path_of(int fd, char *path) {
    char link[40];
    if (dir_bytes == 0 || fd < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return ours(path);
}

static uint64_t inode(int fd) {
    struct stat s;
    return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

static void say(enum kind kind, const char *path, uint64_t file, uint64_t offset, const void *from, size_t bytes) {
    if (record < 0) return;
    struct head head = {kind, (uint32_t)strlen(path), file, offset, bytes};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)from, bytes}};
    ssize_t all = (ssize_t)(sizeof head + head.path + bytes);
    if (syscall(SYS_writev, record, parts, 3) != all) abort();
}

/* Whether this call is to fail; sets errno. */
static int fails(const char *kind, const char *path) {
    static uint64_t last, seen;
    static const struct { const char *name; int number; } errors[] = {
        {"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EROFS", EROFS}, {"EDQUOT", EDQUOT}};
    char text[256], wanted[16], error[16], ending[128];
    unsigned long long id, from, count;
    if (!fault[0]) return 0;
    int fd = raw_open(fault, O_RDONLY);
    if (fd < 0) return 0;
    ssize_t n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (n <= 0) return 0;
    text[n] = 0;
    if (sscanf(text, "%llu %15s %15s %llu %llu %127s", &id, wanted, error, &from, &count, ending) != 6) abort();
    size_t p = strlen(path), e = strlen(ending);
    int matches = strcmp(ending, "*") == 0 || (p >= e && strcmp(path + p - e, ending) == 0);
    if ((strcmp(kind, "read") == 0) != (strcmp(wanted, "read") == 0)) return 0;
    if (!matches || (strcmp(wanted, kind) != 0 && strcmp(wanted, "any") != 0 && (strcmp(wanted, "change") != 0 || strcmp(kind, "sync") == 0)))
        return 0;
    pthread_mutex_lock(&lock);
    if (id != last) seen = 0;
    last = id;
    seen++;
    int hit = seen >= from && (count == 0 || seen < from + count);
    pthread_mutex_unlock(&lock);
    if (!hit) return 0;
    if (hits[0] && (fd = raw_open(hits, O_WRONLY | O_CREAT | O_APPEND)) >= 0) {
        int m = snprintf(text, sizeof text, "%llu %s %.200s\n", id, kind, path);
        raw_write(fd, text, m < (int)sizeof text ? (size_t)m : sizeof text - 1);
        syscall(SYS_close, fd);
    }
    while (strcmp(error, "HANG") == 0) pause();
    errno = EIO;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(error, errors[i].name) == 0) errno = errors[i].number;
    return 1;
}

/* As Linux does it, each descriptor that is open when a sync of its file fails hears of that once, whoever asked for it. */
static struct { uint64_t file, failures; } troubled[64];
static uint64_t heard[1024];

static uint64_t *failures_of(uint64_t file) {
    size_t i = 0;
    while (i < 63 && troubled[i].file != file && troubled[i].file != 0) i++;
    troubled[i].file = file;
    return &troubled[i].failures;
}

static int open_it(int at, const char *path, int flags, mode_t mode) {
    if (path[0] != '/' || !ours(path)) return (int)syscall(SYS_openat, at, path, flags, mode);
    if ((flags & (O_ACCMODE | O_CREAT)) != O_RDONLY && fails("open", path)) return -1;
    pthread_mutex_lock(&lock);
    struct stat s;
    int is_new = (flags & O_CREAT) && stat(path, &s) != 0;
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    int error = errno;
    if (fd >= 0 && fd < 1024) heard[fd] = *failures_of(inode(fd));
    if (fd >= 0 && is_new) say(CREATE, path, inode(fd), 0, NULL, 0);
    if (fd >= 0 && (flags & O_TRUNC)) say(TRUNCATE, path, inode(fd), 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

#define OPEN(name, first, at)                                          \
    int name(first const char *path, int flags, ...) {                 \
        mode_t mode = 0;                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                           \
            va_list rest;                                              \
            va_start(rest, flags);                                     \
            mode = va_arg(rest, mode_t);                               \
            va_end(rest);                                              \
        }                                                              \
        return open_it(at, path, flags, mode);                         \
    }
#define NOTHING
#define FOLDER int folder,
OPEN(open, NOTHING, AT_FDCWD)
OPEN(open64, NOTHING, AT_FDCWD)
OPEN(openat, FOLDER, folder)
OPEN(openat64, FOLDER, folder)

/* `offset` < 0: where the file stands. */
static ssize_t write_it(int fd, const void *from, size_t bytes, off_t offset) {
    char path[PATH_MAX];
    int is_ours = path_of(fd, path);
    if (is_ours && fails("write", path)) return -1;
    if (is_ours) pthread_mutex_lock(&lock);
    off_t at = offset;
    ssize_t n;
    if (offset >= 0) {
        n = syscall(SYS_pwrite64, fd, from, bytes, offset);
    } else {
        n = raw_write(fd, from, bytes);
        /* Afterwards, as it may append. */
        if (is_ours && n >= 0) at = lseek(fd, 0, SEEK_CUR) - n;
    }
    int error = errno;
    if (is_ours) {
        if (n > 0 && at >= 0) say(WRITE, path, inode(fd), (uint64_t)at, from, (size_t)n);
        pthread_mutex_unlock(&lock);
    }
    errno = error;
    return n;
}

ssize_t write(int fd, const void *from, size_t bytes) { return write_it(fd, from, bytes, -1); }
ssize_t pwrite(int fd, const void *from, size_t bytes, off_t offset) { return write_it(fd, from, bytes, offset); }
ssize_t pwrite64(int fd, const void *from, size_t bytes, off_t offset) { return write_it(fd, from, bytes, offset); }

static int may_read(int fd) {
    char path[PATH_MAX];
    return !fault[0] || !path_of(fd, path) || !fails("read", path);
}

ssize_t read(int fd, void *to, size_t bytes) { return may_read(fd) ? syscall(SYS_read, fd, to, bytes) : -1; }
ssize_t pread(int fd, void *to, size_t bytes, off_t at) { return may_read(fd) ? syscall(SYS_pread64, fd, to, bytes, at) : -1; }
ssize_t pread64(int fd, void *to, size_t bytes, off_t at) { return may_read(fd) ? syscall(SYS_pread64, fd, to, bytes, at) : -1; }

static int truncate_it(int fd, off_t bytes) {
    char path[PATH_MAX];
    int is_ours = path_of(fd, path);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_ftruncate, fd, bytes);
    int error = errno;
    if (done == 0 && is_ours) say(TRUNCATE, path, inode(fd), (uint64_t)bytes, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int ftruncate(int fd, off_t bytes) { return truncate_it(fd, bytes); }
int ftruncate64(int fd, off_t bytes) { return truncate_it(fd, bytes); }

static int sync_it(int fd, long call) {
    static uint64_t number;
    char path[PATH_MAX];
    if (!path_of(fd, path)) return (int)syscall(call, fd);
    uint64_t file = inode(fd);
    int fault = fails("sync", path) ? errno : 0;
    pthread_mutex_lock(&lock);
    /* With the process id, as several may write one record. */
    uint64_t mine = (uint64_t)getpid() << 32 | ++number;
    say(SYNC_BEGIN, path, file, mine, NULL, 0);
    pthread_mutex_unlock(&lock);
    /* Without the lock: others write meanwhile, and what they write is not covered. */
    int done = fault ? -1 : (int)syscall(call, fd);
    int error = fault ? fault : errno;
    pthread_mutex_lock(&lock);
    uint64_t *failures = failures_of(file);
    if (done != 0) ++*failures;
    int old = done == 0 && fd < 1024 && heard[fd] != *failures;
    if (fd < 1024) heard[fd] = *failures;
    if (old) {
        done = -1;
        error = EIO;
    } else {
        say(done == 0 ? SYNC_END : SYNC_FAILED, path, file, mine, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int fsync(int fd) { return sync_it(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_it(fd, SYS_fdatasync); }

int unlink(const char *path) {
    int is_ours = ours(path);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    int error = errno;
    if (done == 0 && is_ours) say(UNLINK, path, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

static int rename_it(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    int is_ours = ours(from) || ours(to);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    int error = errno;
    if (done == 0 && is_ours) say(RENAME, from, 0, strlen(from), to, strlen(to));
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int rename(const char *from, const char *to) { return rename_it(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return rename_it(from_at, from, to_at, to, flags);
}

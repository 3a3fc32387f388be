/* A disk that tells what it was asked, for LD_PRELOAD under a server that is about to lose its power.

   Everything that is written, truncated, made, renamed, removed and synced below SHIM_FOLDER goes into the
   file SHIM_TRACE as well, in the order in which it happened; tests/crash/disk.py reads it and knows what a
   disk would still have after the power went. A sync takes a while, as one does, and is done only once it stands in
   the trace. Logs and maps (-shm) are left out: SQLite makes the latter anew.

   The first four bytes of SHIM_FAULT are an errno: while it is not 0, nothing below the folder can be
   changed, and every try fails with it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 4096
#define SYNC_MICROSECONDS 1500

struct record {
    uint64_t kind, file, number, first, second;  /* lengths of what follows: first, second */
};

static char followed[FILES]; /* by descriptor: 1 for what lies below the folder */
static const char *folder;
static size_t folder_length;
static int trace = -1;
static volatile int32_t *fault;
static uint64_t syncs;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;



__attribute__((constructor)) static void begin(void) {
    const char *traced = getenv("SHIM_TRACE"), *faults = getenv("SHIM_FAULT");
    folder = getenv("SHIM_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    if (traced) trace = (int)syscall(SYS_openat, AT_FDCWD, traced, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!faults) return;
    int handle = (int)syscall(SYS_openat, AT_FDCWD, faults, O_RDONLY | O_CLOEXEC, 0);
    void *seen = mmap(NULL, 4096, PROT_READ, MAP_SHARED, handle, 0);
    if (seen != MAP_FAILED) fault = seen;
    close(handle);
}

static void tell(char kind, uint64_t file, uint64_t number, const void *one, size_t first, const void *two,
                 size_t second) {
    struct record head = {(uint64_t)kind, file, number, first, second};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)one, first}, {(void *)two, second}};
    if (trace >= 0) syscall(SYS_writev, trace, parts, 3);
}

static void tell_names(char kind, uint64_t file, const char *one, const char *two) {
    tell(kind, file, 0, one, strlen(one), two, two ? strlen(two) : 0);
}

static int is_ours(const char *path) {
    if (!folder || strncmp(path, folder, folder_length)) return 0;
    size_t length = strlen(path);
    return length < 4 || strcmp(path + length - 4, "-shm");
}

static int follows(int handle) { return handle >= 0 && handle < FILES && followed[handle]; }

static uint64_t file_of(int handle) {
    struct stat seen;
    return fstat(handle, &seen) ? 0 : (uint64_t)seen.st_ino;
}

static int fails(void) {
    if (!fault || !*fault) return 0;
    errno = *fault;
    return 1;
}

static int opened(const char *path, int flags, mode_t mode) {
    if (!is_ours(path)) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    int changes = flags & (O_CREAT | O_TRUNC), is_new = access(path, F_OK) != 0;
    if (((changes && is_new) || (flags & O_TRUNC)) && fails()) return -1;
    /* A read-only disk lets nobody open a file for writing; a full one does. */
    if (fault && *fault == EROFS && (flags & O_ACCMODE) != O_RDONLY && fails()) return -1;
    pthread_mutex_lock(&turn);
    int handle = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (handle >= 0 && handle < FILES) {
        followed[handle] = 1;
        if (is_new) tell_names('C', file_of(handle), path, NULL);
        else if (flags & O_TRUNC) tell('T', file_of(handle), 0, NULL, 0, NULL, 0);
    }
    pthread_mutex_unlock(&turn);
    return handle;
}

#define OPEN(name)                                          \
    int name(const char *path, int flags, ...) {            \
        va_list more;                                       \
        va_start(more, flags);                              \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more);                                       \
        return opened(path, flags, mode);                   \
    }
OPEN(open)
OPEN(open64)

#define OPEN_2(name) \
    int name(const char *path, int flags) { return opened(path, flags, 0); }
OPEN_2(__open_2)
OPEN_2(__open64_2)

int close(int handle) {
    if (handle >= 0 && handle < FILES) followed[handle] = 0;
    return (int)syscall(SYS_close, handle);
}

static ssize_t written(int handle, const void *data, size_t length, off_t at, int moves) {
    if (!follows(handle)) return moves ? syscall(SYS_write, handle, data, length)
                                       : syscall(SYS_pwrite64, handle, data, length, at);
    if (fails()) return -1;
    pthread_mutex_lock(&turn);
    if (moves) at = lseek(handle, 0, SEEK_CUR);
    ssize_t done = moves ? syscall(SYS_write, handle, data, length) : syscall(SYS_pwrite64, handle, data, length, at);
    if (done > 0) tell('W', file_of(handle), (uint64_t)at, data, (size_t)done, NULL, 0);
    pthread_mutex_unlock(&turn);
    return done;
}

ssize_t write(int handle, const void *data, size_t length) { return written(handle, data, length, 0, 1); }
ssize_t pwrite(int handle, const void *data, size_t length, off_t at) { return written(handle, data, length, at, 0); }
ssize_t pwrite64(int handle, const void *data, size_t length, off_t at) { return written(handle, data, length, at, 0); }

static int truncated(int handle, off_t size) {
    if (!follows(handle)) return (int)syscall(SYS_ftruncate, handle, size);
    if (fails()) return -1;
    pthread_mutex_lock(&turn);
    int outcome = (int)syscall(SYS_ftruncate, handle, size);
    if (!outcome) tell('T', file_of(handle), (uint64_t)size, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    return outcome;
}

int ftruncate(int handle, off_t size) { return truncated(handle, size); }
int ftruncate64(int handle, off_t size) { return truncated(handle, size); }

static int synced(int handle, int kind) {
    if (!follows(handle)) return (int)syscall(kind, handle);
    if (fails()) return -1;
    uint64_t file = file_of(handle);
    pthread_mutex_lock(&turn);
    uint64_t mine = ++syncs;
    tell('S', file, mine, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    usleep(SYNC_MICROSECONDS);
    pthread_mutex_lock(&turn);
    tell('D', file, mine, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    return 0;
}

int fsync(int handle) { return synced(handle, SYS_fsync); }
int fdatasync(int handle) { return synced(handle, SYS_fdatasync); }

static int named(char kind, const char *one, const char *two, int outcome_of(const char *, const char *)) {
    int ours = is_ours(one) || (two && is_ours(two));
    if (ours && fails()) return -1;
    if (!ours) return outcome_of(one, two);
    pthread_mutex_lock(&turn);
    int outcome = outcome_of(one, two);
    if (!outcome) tell_names(kind, 0, one, two);
    pthread_mutex_unlock(&turn);
    return outcome;
}

static int do_rename(const char *one, const char *two) {
    return (int)syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, two, 0);
}
static int do_link(const char *one, const char *two) {
    return (int)syscall(SYS_linkat, AT_FDCWD, one, AT_FDCWD, two, 0);
}
static int do_unlink(const char *one, const char *two) {
    (void)two;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, one, 0);
}

int rename(const char *one, const char *two) { return named('R', one, two, do_rename); }
int link(const char *one, const char *two) { return named('L', one, two, do_link); }
int unlink(const char *one) { return named('U', one, NULL, do_unlink); }

int mkdir(const char *path, mode_t mode) {
    if (!is_ours(path)) return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (access(path, F_OK) && fails()) return -1;
    pthread_mutex_lock(&turn);
    int outcome = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    struct stat seen;
    if (!outcome && !stat(path, &seen)) tell_names('M', (uint64_t)seen.st_ino, path, NULL);
    pthread_mutex_unlock(&turn);
    return outcome;
}

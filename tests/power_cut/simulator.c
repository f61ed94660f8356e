// A power cut, simulated: a shadow of one directory that holds only what was made durable.
//
// Preloaded into a process, this library routes the system calls that change files through a seccomp filter to a
// handler for SIGSYS, so that it sees every one of them, whether made by libc or by inline assembly. Killing the
// process is the cut; what a machine would find after it stands in POWER_CUT_SHADOW/tree.
//
//   POWER_CUT_SOURCE   the directory watched; POWER_CUT_SHADOW/tree must be a copy of it at the start
//   POWER_CUT_SHADOW   where `tree` and `pending` (files whose names are not durable) lie
//   POWER_CUT_EARLY    percent of written pages, and of changed names, that become durable by themselves
//   POWER_CUT_SEED     of the choice which
//   POWER_CUT_BOOT_ID  a file to be read instead of /proc/sys/kernel/random/boot_id
//
// The model, harsher than most file systems:
// - Bytes are durable after fsync or fdatasync of their file, in any order before that: each page written may go to
//   disk at once, whole or a few of its sectors, with the content it has at that moment.
// - Names (create, rename, unlink) are durable after fsync of their directory; that commits all earlier changes of
//   names too, like a journal. Syncing a file does not make its name durable. mkdir is durable at once.
// What it cannot see, it refuses: programs that the process executes, shared writable mappings, copy_file_range,
// sendfile, splice, io_uring, hard links.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define FILES_MAX 65536
#define PATH_BYTES 1024
#define PAGE 4096
#define SECTOR 512
// The sixth argument of calls made here, which none of the calls routed has: the filter lets them pass.
#define PASS 0x706f776572637574UL

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the simulator knows x86_64 and aarch64"
#endif

struct range { off_t offset; off_t length; };

// One file below the source, for as long as the process lives: `real` keeps its inode number from being reused.
struct file {
    dev_t device;
    ino_t inode;
    int real, shadow;
    struct range *dirty;
    size_t count, capacity;
    unsigned syncs; // fsyncs in progress: each makes durable only what was written before it began
};

enum change { CREATED, RENAMED, UNLINKED, REMOVED };

// A changed name that is not durable yet.
struct name { enum change change; char from[PATH_BYTES], to[PATH_BYTES]; };

static struct file *files[FILES_MAX];
static size_t file_count;
static struct name *names;
static size_t name_count, name_capacity, pending_count;
static char source[PATH_BYTES], shadow[PATH_BYTES];
static const char *boot_id;
static uint64_t seed;
static unsigned early;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long call(long number, long a, long b, long c, long d, long e) {
    return syscall(number, a, b, c, d, e, PASS);
}

static _Noreturn void give_up(const char *what) {
    char line[PATH_BYTES + 128];
    int length = snprintf(line, sizeof line, "power cut simulator: %s: %s\n", what, strerror(errno));
    call(SYS_write, 2, (long)line, length, 0, 0);
    _exit(99);
}

static int open_file(const char *path, int flags) {
    return (int)call(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, 0644, 0);
}

static unsigned chance(unsigned below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % below;
}

static int happens_early(void) { return chance(100) < early; }

// ---- bytes ----

// Copies what the file holds now at [offset, offset + length) into the shadow.
static void persist(struct file *file, off_t offset, off_t length) {
    static char buffer[1 << 16];
    while (length > 0) {
        size_t want = length < (off_t)sizeof buffer ? (size_t)length : sizeof buffer;
        ssize_t got = pread(file->real, buffer, want, offset);
        if (got <= 0) return;
        if (call(SYS_pwrite64, file->shadow, (long)buffer, got, offset, 0) != got) give_up("writing the shadow");
        offset += got;
        length -= got;
    }
}

static void write_back_early(struct file *file, off_t offset, off_t length) {
    for (off_t page = offset & ~(off_t)(PAGE - 1); page < offset + length; page += PAGE) {
        if (!happens_early()) continue;
        if (chance(2)) {
            persist(file, page, PAGE);
        } else {
            off_t first = chance(PAGE / SECTOR), sectors = 1 + chance(PAGE / SECTOR - (unsigned)first);
            persist(file, page + first * SECTOR, sectors * SECTOR);
        }
    }
}

static void changed(struct file *file, off_t offset, off_t length) {
    if (length <= 0) return;
    struct range *last = file->count ? &file->dirty[file->count - 1] : NULL;
    if (last && !file->syncs && offset >= last->offset && offset <= last->offset + last->length) {
        off_t end = offset + length;
        if (end > last->offset + last->length) last->length = end - last->offset;
    } else {
        if (file->count == file->capacity) {
            file->capacity = file->capacity ? file->capacity * 2 : 64;
            file->dirty = realloc(file->dirty, file->capacity * sizeof *file->dirty);
            if (!file->dirty) give_up("remembering a write");
        }
        file->dirty[file->count++] = (struct range){offset, length};
    }
    write_back_early(file, offset, length);
}

// The oldest `count` changes are durable.
static void synced(struct file *file, size_t count) {
    struct stat now;
    if (fstat(file->real, &now)) give_up("fstat");
    for (size_t i = 0; i < count; i++) persist(file, file->dirty[i].offset, file->dirty[i].length);
    if (!file->syncs) {
        file->count -= count;
        memmove(file->dirty, file->dirty + count, file->count * sizeof *file->dirty);
    }
    if (call(SYS_ftruncate, file->shadow, now.st_size, 0, 0, 0)) give_up("setting the length of the shadow");
}

// ---- names ----

static int inside(const char *path) {
    size_t length = strlen(source);
    return !strncmp(path, source, length) && (path[length] == '/' || !path[length]);
}

static void in_tree(const char *path, char *out) {
    if (snprintf(out, PATH_BYTES, "%s/tree%s", shadow, path + strlen(source)) >= PATH_BYTES) give_up("a long path");
}

// The path as seen from the root; relative ones only below a directory that is open.
static int absolute(int directory, const char *path, char *out) {
    char link[64];
    if (path[0] == '/') return snprintf(out, PATH_BYTES, "%s", path) < PATH_BYTES;
    if (directory == AT_FDCWD) {
        if (!getcwd(out, PATH_BYTES)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, out, PATH_BYTES - 1);
        if (length < 0) return 0;
        out[length] = 0;
    }
    size_t length = strlen(out);
    return *path ? snprintf(out + length, PATH_BYTES - length, "/%s", path) < (int)(PATH_BYTES - length) : 1;
}

static void make_durable(const struct name *name) {
    char from[PATH_BYTES], to[PATH_BYTES];
    in_tree(name->to, to);
    switch (name->change) {
    case CREATED: // `from` is the file's place in `pending`.
        call(SYS_renameat2, AT_FDCWD, (long)name->from, AT_FDCWD, (long)to, 0);
        break;
    case RENAMED:
        in_tree(name->from, from);
        call(SYS_renameat2, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0);
        break;
    case UNLINKED:
        call(SYS_unlinkat, AT_FDCWD, (long)to, 0, 0, 0);
        break;
    case REMOVED:
        call(SYS_unlinkat, AT_FDCWD, (long)to, AT_REMOVEDIR, 0, 0);
        break;
    }
}

static void commit_names(size_t count) {
    for (size_t i = 0; i < count; i++) make_durable(&names[i]);
    memmove(names, names + count, (name_count - count) * sizeof *names);
    name_count -= count;
}

static void renamed(enum change change, const char *from, const char *to) {
    if (name_count == name_capacity) {
        name_capacity = name_capacity ? name_capacity * 2 : 64;
        names = realloc(names, name_capacity * sizeof *names);
        if (!names) give_up("remembering a name");
    }
    struct name *name = &names[name_count++];
    name->change = change;
    snprintf(name->from, PATH_BYTES, "%s", from);
    snprintf(name->to, PATH_BYTES, "%s", to);
    if (happens_early()) commit_names(name_count);
}

// Fsync of a directory: its newest change of a name, and with it every earlier one.
static void directory_synced(const char *path) {
    size_t length = strlen(path), count = 0;
    for (size_t i = 0; i < name_count; i++) {
        const char *to = names[i].to, *slash = strrchr(to, '/');
        if ((size_t)(slash - to) == length && !strncmp(to, path, length)) count = i + 1;
    }
    commit_names(count);
}

// ---- files ----

static struct file *tracked(int fd) {
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) return NULL;
    for (size_t i = file_count; i-- > 0;)
        if (files[i]->inode == st.st_ino && files[i]->device == st.st_dev) return files[i];
    return NULL;
}

static struct file *track(int fd, const char *path, int existed) {
    struct stat st;
    char place[PATH_BYTES], link[64];
    struct file *file = calloc(1, sizeof *file);
    if (!file || file_count == FILES_MAX || fstat(fd, &st)) give_up("following a file");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    file->device = st.st_dev;
    file->inode = st.st_ino;
    file->real = open_file(link, O_RDONLY);
    if (existed) {
        in_tree(path, place);
        file->shadow = open_file(place, O_RDWR);
    } else {
        int length = snprintf(place, sizeof place, "%s/pending/%d-%zu", shadow, getpid(), pending_count++);
        if (length >= PATH_BYTES) give_up(path);
        file->shadow = open_file(place, O_RDWR | O_CREAT | O_EXCL);
    }
    if (file->real < 0 || file->shadow < 0) give_up(place);
    files[file_count++] = file;
    if (!existed) renamed(CREATED, place, path);
    return file;
}

static long do_open(int directory, const char *path, int flags, mode_t mode) {
    char full[PATH_BYTES];
    struct stat before = {0}, now;
    if (boot_id && !strcmp(path, "/proc/sys/kernel/random/boot_id")) path = boot_id;
    if (!absolute(directory, path, full) || !inside(full)) return call(SYS_openat, directory, (long)path, flags, mode, 0);
    int existed = !stat(full, &before);
    int fd = (int)call(SYS_openat, directory, (long)path, flags, mode, 0);
    if (fd < 0 || fstat(fd, &now) || !S_ISREG(now.st_mode)) return fd;
    struct file *file = tracked(fd);
    if (!file) file = track(fd, full, existed);
    if ((flags & O_TRUNC) && existed) changed(file, 0, before.st_size);
    return fd;
}

// A call that may take long: not while the lock is held.
static long call_unlocked(long number, const long *a) {
    pthread_mutex_unlock(&lock);
    long result = call(number, a[0], a[1], a[2], a[3], a[4]);
    int error = errno;
    pthread_mutex_lock(&lock);
    errno = error;
    return result;
}

static long do_write(long number, const long *a) {
    struct file *file = tracked((int)a[0]);
    if (!file) return call_unlocked(number, a);
    long written = call(number, a[0], a[1], a[2], a[3], a[4]);
    if (written > 0) {
        int at_offset = number == SYS_pwrite64 || number == SYS_pwritev;
        changed(file, at_offset ? a[3] : lseek((int)a[0], 0, SEEK_CUR) - written, written);
        if (fcntl((int)a[0], F_GETFL) & O_DSYNC) synced(file, file->count);
    }
    return written;
}

static long do_sync(long number, const long *a) {
    char path[PATH_BYTES];
    struct stat st;
    int fd = (int)a[0];
    struct file *file = tracked(fd);
    if (file) {
        size_t count = file->count;
        file->syncs++;
        long result = call_unlocked(number, a);
        file->syncs--;
        if (!result) synced(file, count);
        return result;
    }
    long result = call(number, fd, 0, 0, 0, 0);
    if (!result && !fstat(fd, &st) && S_ISDIR(st.st_mode) && absolute(fd, "", path) && inside(path))
        directory_synced(path);
    return result;
}

static long do_resize(long number, const long *a) {
    struct stat before = {0}, after = {0};
    struct file *file = tracked((int)a[0]);
    if (file) fstat((int)a[0], &before);
    long result = call(number, a[0], a[1], a[2], a[3], 0);
    if (result || !file) return result;
    fstat((int)a[0], &after);
    if (number == SYS_fallocate && a[1] & ~FALLOC_FL_KEEP_SIZE) changed(file, a[2], a[3]);
    if (after.st_size < before.st_size) changed(file, after.st_size, before.st_size - after.st_size);
    return 0;
}

static long do_rename(int from_directory, const char *from, int to_directory, const char *to, long flags) {
    char a[PATH_BYTES], b[PATH_BYTES];
    if (flags) return errno = EINVAL, -1;
    long result = call(SYS_renameat2, from_directory, (long)from, to_directory, (long)to, 0);
    int known = absolute(from_directory, from, a) && absolute(to_directory, to, b);
    if (!result && known && inside(a) && inside(b)) renamed(RENAMED, a, b);
    return result;
}

static long do_unlink(int directory, const char *path, int flags) {
    char full[PATH_BYTES];
    long result = call(SYS_unlinkat, directory, (long)path, flags, 0, 0);
    if (!result && absolute(directory, path, full) && inside(full))
        renamed(flags & AT_REMOVEDIR ? REMOVED : UNLINKED, "", full);
    return result;
}

static long do_mkdir(int directory, const char *path, mode_t mode) {
    char full[PATH_BYTES], place[PATH_BYTES];
    long result = call(SYS_mkdirat, directory, (long)path, mode, 0, 0);
    if (!result && absolute(directory, path, full) && inside(full)) {
        in_tree(full, place);
        call(SYS_mkdirat, AT_FDCWD, (long)place, 0755, 0, 0);
    }
    return result;
}

// ---- system calls ----

static const int routed[] = {
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_rename, SYS_unlink, SYS_mkdir, SYS_rmdir, SYS_renameat,
#endif
    SYS_openat, SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_fsync, SYS_fdatasync, SYS_ftruncate,
    SYS_fallocate, SYS_renameat2, SYS_unlinkat, SYS_mkdirat,
};

static const int refused[] = {
#ifdef SYS_link
    SYS_link,
#endif
    SYS_linkat, SYS_copy_file_range, SYS_sendfile, SYS_splice, SYS_pwritev2, SYS_truncate, SYS_openat2,
    SYS_io_uring_setup,
};

static long perform(long number, const long *a) {
    switch (number) {
#ifdef SYS_open
    case SYS_open: return do_open(AT_FDCWD, (const char *)a[0], (int)a[1], (mode_t)a[2]);
    case SYS_creat: return do_open(AT_FDCWD, (const char *)a[0], O_CREAT | O_WRONLY | O_TRUNC, (mode_t)a[1]);
    case SYS_rename: return do_rename(AT_FDCWD, (const char *)a[0], AT_FDCWD, (const char *)a[1], 0);
    case SYS_renameat: return do_rename((int)a[0], (const char *)a[1], (int)a[2], (const char *)a[3], 0);
    case SYS_unlink: return do_unlink(AT_FDCWD, (const char *)a[0], 0);
    case SYS_rmdir: return do_unlink(AT_FDCWD, (const char *)a[0], AT_REMOVEDIR);
    case SYS_mkdir: return do_mkdir(AT_FDCWD, (const char *)a[0], (mode_t)a[1]);
#endif
    case SYS_openat: return do_open((int)a[0], (const char *)a[1], (int)a[2], (mode_t)a[3]);
    case SYS_renameat2: return do_rename((int)a[0], (const char *)a[1], (int)a[2], (const char *)a[3], a[4]);
    case SYS_unlinkat: return do_unlink((int)a[0], (const char *)a[1], (int)a[2]);
    case SYS_mkdirat: return do_mkdir((int)a[0], (const char *)a[1], (mode_t)a[2]);
    case SYS_fsync:
    case SYS_fdatasync: return do_sync(number, a);
    case SYS_ftruncate:
    case SYS_fallocate: return do_resize(number, a);
    default: return do_write(number, a);
    }
}

static void on_call(int signal, siginfo_t *info, void *context) {
    (void)signal;
    int error = errno;
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
#if defined(__x86_64__)
    greg_t *r = machine->gregs;
    long a[6] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]};
#else
    unsigned long long *r = machine->regs;
    long a[6] = {(long)r[0], (long)r[1], (long)r[2], (long)r[3], (long)r[4], (long)r[5]};
#endif
    pthread_mutex_lock(&lock);
    long result = perform(info->si_syscall, a);
    if (result < 0) result = -errno;
    pthread_mutex_unlock(&lock);
#if defined(__x86_64__)
    r[REG_RAX] = result;
#else
    r[0] = (unsigned long long)result;
#endif
    errno = error;
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]) + 4)
#define SKIP_UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)

static void install_filter(void) {
    struct sock_filter program[256];
    size_t n = 0;
#define EMIT(...) do { struct sock_filter f[] = {__VA_ARGS__}; \
        memcpy(program + n, f, sizeof f); n += sizeof f / sizeof *f; } while (0)
    EMIT(LOAD(arch), SKIP_UNLESS(ARCHITECTURE, 1), BPF_STMT(BPF_JMP | BPF_JA, 1), ANSWER(SECCOMP_RET_KILL_PROCESS));
    EMIT(LOAD(args[5]), SKIP_UNLESS((uint32_t)PASS, 3), LOAD_HIGH(5), SKIP_UNLESS((uint32_t)(PASS >> 32), 1),
         ANSWER(SECCOMP_RET_ALLOW));
    EMIT(LOAD(nr));
    for (size_t i = 0; i < sizeof routed / sizeof *routed; i++)
        EMIT(SKIP_UNLESS((uint32_t)routed[i], 1), ANSWER(SECCOMP_RET_TRAP));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        EMIT(SKIP_UNLESS((uint32_t)refused[i], 1), ANSWER(SECCOMP_RET_ERRNO | ENOSYS));
    // mmap of a file, shared and writable: bytes would change without a call.
    EMIT(SKIP_UNLESS(SYS_mmap, 6), LOAD(args[2]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 4), LOAD(args[3]),
         BPF_STMT(BPF_ALU | BPF_AND | BPF_K, MAP_SHARED | MAP_ANONYMOUS), SKIP_UNLESS(MAP_SHARED, 1),
         ANSWER(SECCOMP_RET_ERRNO | ENODEV));
    EMIT(ANSWER(SECCOMP_RET_ALLOW));
    struct sock_fprog filter = {(unsigned short)n, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) give_up("no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) give_up("seccomp");
}

__attribute__((constructor)) static void start(void) {
    const char *from = getenv("POWER_CUT_SOURCE"), *to = getenv("POWER_CUT_SHADOW");
    if (!from || !to) return;
    snprintf(source, sizeof source, "%s", from);
    snprintf(shadow, sizeof shadow, "%s", to);
    boot_id = getenv("POWER_CUT_BOOT_ID");
    early = getenv("POWER_CUT_EARLY") ? (unsigned)atoi(getenv("POWER_CUT_EARLY")) : 0;
    seed = 0x9e3779b97f4a7c15UL ^ (getenv("POWER_CUT_SEED") ? strtoull(getenv("POWER_CUT_SEED"), NULL, 10) : 1);
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL)) give_up("sigaction");
    install_filter();
}

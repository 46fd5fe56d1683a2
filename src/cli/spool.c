/* src/cli/spool.c    A path under which input can be read from its beginning as often as asked; for commands that make
 * several passes over a file. */
#include "driftd/internal/cli/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driftd/internal/cli.h"

enum { CHUNK = 1 << 16 };
static const uint64_t bytes_max = UINT64_C(256) << 30;

const char *drift_spool_name(const char *file)
{
    return strcmp(file, "-") ? file : "standard input";
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno != EINTR)
            return errno;
        p += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return 0;
}

static int copy(int from, int to, const char *name, const char *dir, struct drift_err *err)
{
    char *buf = drift_xcalloc(CHUNK, 1);
    uint64_t total = 0;
    int rc = 0;
    for (ssize_t n; !rc && (n = read(from, buf, CHUNK)) != 0;) {
        int no = n < 0 ? errno : 0;
        if (no == EINTR)
            continue;
        if (no)
            rc = drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: %s", name, strerror(no));
        else if ((total += (uint64_t)n) > bytes_max)
            rc = drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "%s is longer than %" PRIu64 " bytes: give a file", name,
                            bytes_max);
        else if ((no = write_all(to, buf, (size_t)n)) != 0)
            rc = drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot keep %s in %s: %s: set TMPDIR, or give a file", name,
                            dir, strerror(no));
    }
    free(buf);
    return rc;
}

static int unnamed_file(const char *dir, struct drift_err *err)
{
    char *path = drift_xasprintf("%s/driftd-XXXXXX", dir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        (void)drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot make a file in %s: %s: set TMPDIR", dir, strerror(errno));
    else
        unlink(path);
    free(path);
    return fd;
}

/* Keeps what `from` gives until its end. */
static int keep(struct drift_spool *s, int from, struct drift_err *err)
{
    const char *dir = getenv("TMPDIR");
    dir = dir && *dir ? dir : "/tmp";
    s->fd = unnamed_file(dir, err);
    if (s->fd < 0)
        return DRIFT_E_IO;
    int rc = copy(from, s->fd, drift_spool_name(s->file), dir, err);
    if (!rc)
        s->path = drift_xasprintf("/proc/self/fd/%d", s->fd);
    return rc;
}

int drift_spool_init(struct drift_spool *s, const char *file, struct drift_err *err)
{
    struct stat st;
    bool in = !strcmp(file, "-");
    int rc = 0, from;
    *s = (struct drift_spool){.file = drift_xstrdup(file), .fd = -1};
    if ((in ? fstat(STDIN_FILENO, &st) : stat(file, &st)) != 0) {
        rc = drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: %s", drift_spool_name(file), strerror(errno));
    } else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
        s->path = drift_xstrdup(in ? "/proc/self/fd/0" : file);
    } else if ((from = in ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC)) < 0) {
        rc = drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: %s", file, strerror(errno));
    } else {
        rc = keep(s, from, err);
        if (!in)
            close(from);
    }
    if (rc)
        drift_spool_release(s);
    return rc;
}

void drift_spool_release(struct drift_spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->file);
    free(s->path);
    *s = (struct drift_spool){.fd = -1};
}

/* src/cli/lines.c    Lines of a text file, gzipped or plain, for commands that read files. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "driftd/internal/cli/source.h"

enum { CHUNK = 1 << 16 };

struct drift_lines {
    char *file;
    gzFile gz;
    off_t file_bytes;
    size_t max;
    char *buf;
    size_t cap, from, to; /* unread bytes are [from, to) */
    bool at_end, crlf;
    uint64_t number;
};

int drift_lines_open(const char *file, size_t max, struct drift_lines **ret, struct drift_err *err)
{
    return drift_lines_open_as(file, file, max, ret, err);
}

int drift_lines_open_as(const char *path, const char *file, size_t max, struct drift_lines **ret, struct drift_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: %s", file, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: it is a directory", file);
    gzFile gz = gzopen(path, "rbe");
    if (!gz)
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "cannot read %s: %s", file, strerror(errno));
    gzbuffer(gz, CHUNK);
    struct drift_lines *l = drift_xcalloc(1, sizeof *l);
    *l = (struct drift_lines){.file = drift_xstrdup(file), .gz = gz, .file_bytes = st.st_size, .max = max};
    *ret = l;
    return 0;
}

void drift_lines_close(struct drift_lines *l)
{
    if (!l)
        return;
    gzclose(l->gz);
    free(l->buf);
    free(l->file);
    free(l);
}

/* Makes room for another chunk behind `to`. */
static void make_room(struct drift_lines *l)
{
    if (l->from) {
        memmove(l->buf, l->buf + l->from, l->to - l->from);
        l->to -= l->from;
        l->from = 0;
    }
    if (l->cap - l->to >= CHUNK)
        return;
    l->cap = l->cap ? 2 * l->cap : 2 * CHUNK;
    l->buf = drift_xrealloc(l->buf, l->cap, 1);
}

static int fill(struct drift_lines *l, struct drift_err *err)
{
    int code = Z_OK;
    make_room(l);
    int n = gzread(l->gz, l->buf + l->to, CHUNK);
    const char *text = gzerror(l->gz, &code);
    if (n < 0 || (n == 0 && code != Z_OK && code != Z_STREAM_END))
        return drift_fail(err, DRIFT_E_IO, DRIFT_STOP, "%s: %s", l->file, code == Z_ERRNO ? strerror(errno) : text);
    if (n == 0)
        l->at_end = true;
    l->to += (size_t)n;
    return 0;
}

int drift_lines_next(struct drift_lines *l, const char **ret_line, size_t *ret_len, struct drift_err *err)
{
    size_t looked = 0; /* bytes of the line known to hold no end */
    for (;;) {
        char *line = l->buf ? l->buf + l->from : NULL;
        size_t have = l->to - l->from;
        char *end = have > looked ? memchr(line + looked, '\n', have - looked) : NULL;
        if (!end && !l->at_end) {
            looked = have;
            if (have > l->max)
                return -drift_fail(err, DRIFT_E_RANGE, DRIFT_STOP, "%s:%" PRIu64 ": line longer than %zu bytes",
                                   l->file, l->number + 1, l->max);
            int rc = fill(l, err);
            if (rc)
                return -rc;
            continue;
        }
        if (!end && !have)
            return 0;
        size_t n = end ? (size_t)(end - line) : have;
        l->from += end ? n + 1 : n;
        l->number++;
        *ret_line = line;
        l->crlf = n && line[n - 1] == '\r';
        *ret_len = n - l->crlf;
        return 1;
    }
}

bool drift_lines_crlf(const struct drift_lines *l)
{
    return l->crlf;
}

uint64_t drift_lines_number(const struct drift_lines *l)
{
    return l->number;
}

double drift_lines_share(const struct drift_lines *l)
{
    z_off_t at = gzoffset(l->gz);
    return l->file_bytes > 0 && at > 0 ? (double)at / (double)l->file_bytes : 0;
}

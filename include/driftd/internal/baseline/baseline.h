/* baseline.h - a frozen, versioned reference of one model: layout, pooled counts, counts per window.
 *
 * Format v1 (all numbers little endian):
 *     "DRFTBL1\n"   then sections: tag (4 bytes) | length u64 | bytes
 *     META  JSON: id, model, created, source (topics and range, file, learned), config hash, seed, notes
 *     COLS  the layouts: input chain, then label chain
 *     BLKS  the layouts' blocks, input chain, then label chain; absent when there are none
 *     POOL  pooled summaries of both chains
 *     WINS  window length, then per window: start, summary    (may be absent: a pool only)
 *     trng  counts of training data on the same layouts: per chain 1 and a summary, or 0; absent when there are none
 *     ksnl  null laws of KS of discrete columns (law.h); absent when there are none
 *     DGST  SHA-256 over all bytes before it
 *     SIGN  room for signatures, behind the digest (absent today, not looked at); unknown sections with a
 *           lower-case first letter are skipped, others refuse the file as newer
 * META is JSON: {id, model, created_ms, created, content, source, config_hash, seed, driftd, notes: [text]}, and
 * `replay` where `baseline build` has replayed the evidence (cli/baseline.h);
 * `content` is the SHA-256 of COLS, BLKS, POOL and WINS, so that the same counts are known again whatever the id.
 * The digest names the whole; the id is for people.  Threads: immutable after load. */
#ifndef DRIFTD_BASELINE_BASELINE_H
#define DRIFTD_BASELINE_BASELINE_H

#include "driftd/internal/base/buf.h"
#include "driftd/internal/base/err.h"
#include "driftd/internal/flow.h"
#include "driftd/ks_null.h"

struct drift_baseline_window {
    int64_t start_ms;
    struct drift_summary *summary;
};
struct drift_baseline_chain {
    struct drift_layout *layout;  /* no columns when the baseline has nothing for this chain */
    struct drift_summary *pooled; /* of that layout */
    int64_t window_ms;            /* 0: no windows */
    size_t n_windows;
    struct drift_baseline_window *windows;
    struct drift_summary *training; /* counts of training data, of that layout; NULL: none */
    struct drift_ks_null **laws;    /* law.h: [layout->n_columns], NULL where a column has none; NULL: none at all */
};
struct drift_baseline {
    char *id, *model;
    char *meta;      /* JSON text of META */
    char digest[65]; /* of the content, hex */
    int64_t created_ms;
    struct drift_baseline_chain chain[DRIFT_N_CHAIN];
};

enum {
    DRIFT_BASELINE_MEMORY_MAX = 512 << 20, /* of the counts per window */
    DRIFT_BASELINE_BYTES_MAX = 256 << 20
};

void drift_baseline_free(struct drift_baseline *b); /* NULL is fine */
bool drift_baseline_id_valid(const char *id);       /* [A-Za-z0-9._-]{1,128}, and not a word the store uses */
/* Serialise; sets b->digest.  DRIFT_E_FULL when out's maximum is reached. */
int drift_baseline_save(struct drift_baseline *b, struct drift_buf *out, struct drift_err *err) DRIFT_MUST_CHECK;
/* Memory that the counts of one window can take. */
uint64_t drift_baseline_window_bytes(const struct drift_layout *l);
/* The sections COLS, BLKS, POOL and WINS alone: what META's `content` is the digest of. */
void drift_baseline_save_content(const struct drift_baseline *b, struct drift_buf *out);
/* Parse and verify the digest.  DRIFT_E_PARSE, DRIFT_E_VERSION, DRIFT_E_CORRUPT; hostile bytes are safe. */
int drift_baseline_load(const void *bytes, size_t len, struct drift_baseline **ret,
                        struct drift_err *err) DRIFT_MUST_CHECK;

#endif

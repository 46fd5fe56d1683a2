/* redis.h - inside of the store: connections, arguments, replies, scripts.  Only src/store includes it, because hiredis
 * shows here.
 *
 * hiredis is used as a codec with a socket: requests are appended whole, the reader is fed in a loop of our own, so
 * that a reply has bounds (bytes, elements, time) whoever talks at the other end.
 *
 *     drift_redis_call/raw (connect.c)   one command, wherever it belongs
 *       cluster.c      which node has the key; MOVED and ASK
 *       sentinel.c     which server is master
 *         node.c       one server: connect, log in, exchange */
#ifndef DRIFTD_STORE_REDIS_H
#define DRIFTD_STORE_REDIS_H

#include <hiredis/hiredis.h>

#include "driftd/internal/store/store.h"

enum {
    DRIFT_REPLY_BYTES_MAX = 128 << 20,  /* of one reply */
    DRIFT_REPLY_ELEMENTS_MAX = 1 << 20, /* array places of one reply, nested ones included */
    DRIFT_REPLY_DEPTH_MAX = 4,          /* arrays in arrays; ours have one level */
    DRIFT_ARGS_MAX = 1000000,           /* Redis refuses 1024 * 1024 */
    DRIFT_KEY_MAX = 4096,
    DRIFT_SEEDS_MAX = 64,      /* nodes of a cluster, or sentinels, that a configuration names */
    DRIFT_NODES_MAX = 512,     /* nodes of a cluster that are known at a time: masters, and seeds */
    DRIFT_PORTION = 20000,     /* verdict headers that one call asks for */
    DRIFT_SLOTS = 16384,       /* of a cluster */
    DRIFT_REDIRECTIONS_MAX = 5 /* that one call follows */
};

/* ---- arguments of one command; strings are borrowed until it was called, numbers are kept here ---- */
struct drift_node;
struct drift_args {
    bool once;                     /* never sent twice by one call when in doubt: ACQUIRE and FORCE, see node.c */
    struct drift_node *node;       /* goes there; NULL: to the node that has the key */
    const struct drift_args *like; /* has no key itself, and goes where these go */
    size_t n, cap;
    const char **v;
    size_t *len;
    size_t n_own, cap_own;
    char **own;
};
void drift_args_release(struct drift_args *a);
void drift_args_add(struct drift_args *a, const void *p, size_t len);
void drift_args_text(struct drift_args *a, const char *z);
void drift_args_int(struct drift_args *a, int64_t v);
void drift_args_field(struct drift_args *a, char kind, const char *id); /* "k:id" */
void drift_args_pairs(struct drift_args *a, const struct drift_pair *p, size_t n);
void drift_args_names(struct drift_args *a, const char *const *names, size_t n);

/* ---- scripts: text in scripts.c ---- */
enum drift_script {
    DRIFT_SCRIPT_ACQUIRE,
    DRIFT_SCRIPT_FLUSH,
    DRIFT_SCRIPT_READ,
    DRIFT_SCRIPT_SHOW,
    DRIFT_SCRIPT_FORCE,
    DRIFT_SCRIPT_MODEL_READ,
    DRIFT_SCRIPT_HEADERS,
    DRIFT_SCRIPT_MODEL_INIT,
    DRIFT_SCRIPT_PLAN_ADD,
    DRIFT_SCRIPT_VERDICT,
    DRIFT_SCRIPT_EARLY,
    DRIFT_SCRIPT_OPERATE,
    DRIFT_SCRIPT_OUT_READ,
    DRIFT_SCRIPT_OUT_CLAIM,
    DRIFT_SCRIPT_OUT_STATE,
    DRIFT_SCRIPT_BASELINE_PUT,
    DRIFT_SCRIPT_BASELINE_ACTIVATE,
    DRIFT_N_SCRIPT
};
struct drift_script_text {
    const char *name;
    int n_keys;
    const char *text;
};
extern const struct drift_script_text drift_scripts[DRIFT_N_SCRIPT];

/* Begins the arguments of a script: leaves room for EVALSHA, digest and number of keys. Keys come first. */
void drift_args_script(struct drift_args *a);
/* Runs it: EVALSHA, EVAL after NOSCRIPT.  The reply is an array that begins with one word; BAD and VERSION became an
 * error.  Reply belongs to the caller: freeReplyObject. */
int drift_script_call(struct drift_store *s, enum drift_script id, struct drift_args *a, redisReply **ret,
                      struct drift_err *err) DRIFT_MUST_CHECK;
/* For scripts that answer {word, now}: releases a, writes both. */
int drift_script_cas(struct drift_store *s, enum drift_script id, struct drift_args *a, enum drift_reply *ret,
                     int64_t *ret_now_ms, struct drift_err *err) DRIFT_MUST_CHECK;

/* ---- one server ---- */
struct drift_budget { /* what the reply that is being read may still take */
    size_t bytes, elements;
    bool spent;
};
struct drift_login { /* how to log in to it; borrowed */
    const char *username;
    const struct drift_secret *password;
    int db;
    const char *key; /* of the configuration, for error texts: "redis" */
};
struct drift_node {
    const char *socket; /* borrowed; NULL: host and port */
    char host[256];     /* "": this place of the cluster's table is free */
    int port;
    char address[160]; /* for error texts */
    bool sentinel;     /* host and port are asked of Sentinel for each connection */
    bool seed, listed; /* of a cluster: named by the configuration; in the table of slots */
    redisContext *c;   /* NULL: not connected */
};
/* Sets host and port, or the socket, and closes a connection to another one.  False: not an address. */
bool drift_node_name(struct drift_node *n, const char *host, size_t len, int port);
void drift_node_name_socket(struct drift_node *n, const char *path);
/* "host:port,[v6]:port" into nodes; returns how many, 0 when that is not such a list or has more than max. */
size_t drift_node_list(const char *text, struct drift_node *ret, size_t max);
void drift_node_close(struct drift_node *n);
/* One command, one reply, which may be an error.  Connects when needed; when a connection that had been idle turns out
 * to be lost, connects once more and sends again (but for args.once).  asking: behind ASKING on the same connection. */
int drift_node_call(struct drift_store *s, struct drift_node *n, const struct drift_args *a, bool asking,
                    redisReply **ret, struct drift_err *err) DRIFT_MUST_CHECK;
/* The same on the connection as it is, sent once. */
int drift_node_exchange(struct drift_store *s, struct drift_node *n, const struct drift_args *a, redisReply **ret,
                        bool *ret_lost, struct drift_err *err) DRIFT_MUST_CHECK;
int64_t drift_node_timeout_ms(const struct drift_store *s);

/* ---- Sentinel ---- */
struct drift_sentinel {
    struct drift_node node[DRIFT_SEEDS_MAX];
    size_t n, next; /* the one to ask first */
};
int drift_sentinel_new(const struct drift_redis_config *cfg, struct drift_sentinel **ret,
                       struct drift_err *err) DRIFT_MUST_CHECK;
void drift_sentinel_free(struct drift_sentinel *t);
/* Asks for the master's address, one sentinel after the other, for two time-outs at most; the next call goes on with
 * the following one. */
int drift_sentinel_find(struct drift_store *s, struct drift_node *n, struct drift_err *err) DRIFT_MUST_CHECK;
/* Is the server behind this fresh connection a master?  A sentinel may not know yet. */
int drift_sentinel_role(struct drift_store *s, struct drift_node *n, struct drift_err *err) DRIFT_MUST_CHECK;

/* ---- Cluster ---- */
struct drift_cluster {
    struct drift_node *node[DRIFT_NODES_MAX];
    size_t n;
    uint16_t of[DRIFT_SLOTS]; /* place in node[], plus 1; 0: not known */
    bool stale;               /* the table is to be asked for */
    bool denied;              /* CLUSTER SLOTS is not allowed: what MOVED says is all */
    size_t next;              /* the node to ask first */
    int64_t asked_ms;         /* monotonic; 0: never */
};
int drift_cluster_new(const struct drift_redis_config *cfg, struct drift_cluster **ret,
                      struct drift_err *err) DRIFT_MUST_CHECK;
void drift_cluster_free(struct drift_cluster *c);
int drift_cluster_call(struct drift_store *s, const struct drift_args *a, redisReply **ret,
                       struct drift_err *err) DRIFT_MUST_CHECK;
/* Brings the table of slots up to date when it is not; every slot must have a node. */
int drift_cluster_whole(struct drift_store *s, struct drift_err *err) DRIFT_MUST_CHECK;
/* The i-th master of the table, NULL behind the last. */
struct drift_node *drift_cluster_master(struct drift_store *s, size_t i);
/* Slot of a command's key; -1: it has none. */
int drift_cluster_slot(const struct drift_args *a);
int drift_cluster_key_slot(const char *key, size_t len);

/* ---- the store ---- */
struct drift_store {
    struct drift_redis_config cfg; /* own copies */
    char *group;                   /* percent-encoded */
    struct drift_login login, sentinel_login;
    struct drift_node only;          /* standalone, and what Sentinel names */
    struct drift_sentinel *sentinel; /* NULL: not so */
    struct drift_cluster *cluster;   /* NULL: not so */
    struct drift_node *at;           /* talked to last: what error texts and disconnecting mean */
    size_t reply_max;                /* DRIFT_REPLY_BYTES_MAX; smaller in tests */
    int portion;                     /* of HEADERS; smaller in tests */
    uint64_t connections;            /* made since ever */
    struct drift_budget budget;
    char sha[DRIFT_N_SCRIPT][41]; /* "": not asked for yet */
};
/* One command, one reply that is not an error, from the server that has the key. */
int drift_redis_call(struct drift_store *s, const struct drift_args *a, redisReply **ret,
                     struct drift_err *err) DRIFT_MUST_CHECK;
/* The same, but an error reply is handed back as such (type REDIS_REPLY_ERROR). */
int drift_redis_raw(struct drift_store *s, const struct drift_args *a, redisReply **ret,
                    struct drift_err *err) DRIFT_MUST_CHECK;
void drift_redis_disconnect(struct drift_store *s);

/* ---- replies ---- */
/* Error reply -> code and action (see store.h); disconnects when another try should look for the server anew. */
int drift_reply_error(struct drift_store *s, const redisReply *r, const char *command,
                      struct drift_err *err) DRIFT_MUST_CHECK;
/* A well-formed reply of the wrong shape: DRIFT_E_CORRUPT, and the connection is given up. */
int drift_reply_odd(struct drift_store *s, const char *command, struct drift_err *err) DRIFT_MUST_CHECK;
bool drift_reply_is_text(const redisReply *r);
bool drift_reply_i64(const redisReply *r, int64_t *ret); /* integer, or a string that is one */
/* Elements from..end as field, value, field, value ...; `seen` is left out.  False: not that shape. */
bool drift_reply_pairs(const redisReply *r, size_t from, struct drift_pairs *ret);

/* ---- keys; "" parts are allowed, overlong ones give DRIFT_E_RANGE ---- */
int drift_key_slot(const struct drift_store *s, struct drift_slot_id id, struct drift_buf *b,
                   struct drift_err *err) DRIFT_MUST_CHECK;
/* suffix: "", ":w", ":v" or ":out" */
int drift_key_chain(const struct drift_store *s, struct drift_chain_id id, const char *suffix, struct drift_buf *b,
                    struct drift_err *err) DRIFT_MUST_CHECK;
/* id NULL: the hash */
int drift_key_baseline(const char *model, const char *id, struct drift_buf *b, struct drift_err *err) DRIFT_MUST_CHECK;

#endif

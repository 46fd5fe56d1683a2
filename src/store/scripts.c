/* src/store/scripts.c    The Lua scripts of the protocol, and how they are called.
 *
 * A script is isolated but not rolled back when it fails half way.  So each validates first (types of all its keys
 * too), then writes values, then the head, then deletes: what fails in between changes nothing that anybody relies on,
 * and the same bytes sent again complete it.  Numbers in Lua are doubles: times in ms fit, offsets never pass through
 * a number.  unpack() fails near 8000 items, hence chunks.  Every script that a judge or owner decides on writes, so
 * that a master that lost its replicas refuses (NOREPLICAS stops writing scripts only). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driftd/internal/store/redis.h"

/* Shared by all: now, numbers as text, chunked writes of ARGV[from..], time stamps, the format check. */
#define PRELUDE                                                                                                        \
    "local function clock()\n"                                                                                         \
    "  local t = redis.call('TIME')\n"                                                                                 \
    "  return t[1] * 1000 + math.floor(t[2] / 1000)\n"                                                                 \
    "end\n"                                                                                                            \
    "local now = clock()\n"                                                                                            \
    "local function text(x) return string.format('%.0f', x) end\n"                                                     \
    "local function int(x)\n"                                                                                          \
    "  return x and #x <= 17 and string.match(x, '^%-?%d+$') and tonumber(x)\n"                                        \
    "end\n"                                                                                                            \
    "local function each(command, key, from, n)\n"                                                                     \
    "  for i = from, from + n - 1, 3998 do\n"                                                                          \
    "    redis.call(command, key, unpack(ARGV, i, math.min(i + 3997, from + n - 1)))\n"                                \
    "  end\n"                                                                                                          \
    "end\n"                                                                                                            \
    "local function stamp(prefix, from, n)\n"                                                                          \
    "  for i = from, from + 2 * n - 1, 2 do\n"                                                                         \
    "    if string.sub(ARGV[i], 1, #prefix) == prefix then\n"                                                          \
    "      ARGV[i + 1] = string.gsub(ARGV[i + 1], '@now@', text(now))\n"                                               \
    "    end\n"                                                                                                        \
    "  end\n"                                                                                                          \
    "end\n"                                                                                                            \
    "local function newer(key)\n"                                                                                      \
    "  local fmt = redis.call('HGET', key, 'fmt')\n"                                                                   \
    "  return fmt and fmt ~= '1' and {'VERSION', fmt}\n"                                                               \
    "end\n"                                                                                                            \
    "local function head(key) return redis.call('HGET', key, 'head') end\n"                                            \
    "local function adv(key)\n"                                                                                        \
    "  local a = redis.call('HGET', key, 'adv')\n"                                                                     \
    "  return a, a and tonumber(string.match(a, '^%-?%d+:%-?%d+:(%d+)$') or '')\n"                                     \
    "end\n"

/* clang-format off */
/* KEYS slot; ARGV new, owner */
static const char acquire[] =
    PRELUDE
    "local k = KEYS[1]\n"
    "local bad = newer(k)\n"
    "if bad then return bad end\n"
    "local times = int(redis.call('HGET', k, 'acquired')) or 0\n"
    "redis.call('HSET', k, 'fmt', '1', 'owner', ARGV[2], 'acquired', text(times + 1),\n"
    "           'at', text(now), 'head', ARGV[1])\n"
    "local out = redis.call('HGETALL', k)\n"
    "table.insert(out, 1, text(now))\n"
    "table.insert(out, 1, 'OK')\n"
    "return out\n";

/* KEYS slot; ARGV prev, new, settle, advance to or '', n sets, n dels, pairs, names */
static const char flush[] =
    PRELUDE
    "local k, prev, new, advto = KEYS[1], ARGV[1], ARGV[2], ARGV[4]\n"
    "local h = head(k)\n"
    "if h == new then return {'DUP', text(now)} end\n"
    "if h ~= prev then return {'STALE', text(now)} end\n"
    "if advto ~= '' then\n"
    "  local wm = redis.call('HGET', k, 'wm') or '0'\n"
    "  local last, at = adv(k)\n"
    "  if not int(wm) then return {'BAD', 'wm'} end\n"
    "  if last and not at then return {'BAD', 'adv'} end\n"
    "  if last and now - at < tonumber(ARGV[3]) then return {'BUSY', text(now)} end\n"
    "  if tonumber(advto) <= tonumber(wm) then return {'NOOP', text(now)} end\n"
    "  redis.call('HSET', k, 'adv', wm .. ':' .. advto .. ':' .. text(now), 'wm', advto,\n"
    "             'at', text(now), 'head', new)\n"
    "  return {'OK', text(now)}\n"
    "end\n"
    "local nset, ndel = tonumber(ARGV[5]), tonumber(ARGV[6])\n"
    "each('HSET', k, 7, 2 * nset)\n"
    "redis.call('HSET', k, 'at', text(now), 'head', new)\n"
    "each('HDEL', k, 7 + 2 * nset, ndel)\n"
    "return {'OK', text(now)}\n";

/* KEYS slot; ARGV chain key, from, n first, first..., start... */
static const char read[] =
    PRELUDE
    "local k, chain = KEYS[1], ARGV[1]\n"
    "local bad = newer(k)\n"
    "if bad then return bad end\n"
    "redis.call('HSET', k, 'seen', text(now))\n"
    "local s = redis.call('HMGET', k, 'head', 'wm', 'adv', 'offset', 'gone:' .. chain, 'waits',\n"
    "                     'partial', 'partial_from', 'forced')\n"
    "local prefix, from, lowest = 'b:' .. chain .. ':', tonumber(ARGV[2]), nil\n"
    "local nfirst = tonumber(ARGV[3])\n"
    "for i = 4, 3 + nfirst do\n"
    "  lowest = redis.call('HEXISTS', k, prefix .. ARGV[i] .. ':') == 1 and tonumber(ARGV[i])\n"
    "  if lowest then break end\n"
    "end\n"
    "if not lowest and from < 2 ^ 53 then\n"
    "  for _, f in ipairs(redis.call('HKEYS', k)) do\n"
    "    local start = string.sub(f, 1, #prefix) == prefix and int(string.match(f, '^(%-?%d+):', #prefix + 1))\n"
    "    if start and start >= from and (not lowest or start < lowest) then lowest = start end\n"
    "  end\n"
    "end\n"
    "local out = {'OK', text(now), s[1] and '1' or '', s[2] or '', s[3] or '', s[4] or '', s[5] or '',\n"
    "             lowest and text(lowest) or '', s[6] or '', s[7] or '', s[8] or '', s[9] or ''}\n"
    "for i = 4 + nfirst, #ARGV do\n"
    "  local name = prefix .. ARGV[i] .. ':'\n"
    "  local blob = redis.call('HGET', k, name)\n"
    "  if blob then out[#out + 1] = name; out[#out + 1] = blob end\n"
    "end\n"
    "return out\n";

/* KEYS slot; ARGV chain key, from, chain key, from ...  Writes nothing: for people. */
static const char show[] =
    PRELUDE
    "local k, chains, sum = KEYS[1], {}, {late = 0, other = 0}\n"
    "local bad = newer(k)\n"
    "if bad then return bad end\n"
    "for i = 1, #ARGV, 2 do chains[ARGV[i]] = tonumber(ARGV[i + 1]) end\n"
    "local s, open = redis.call('HMGET', k, 'head', 'wm', 'adv', 'offset', 'owner', 'at', 'waits'), {}\n"
    "for _, f in ipairs(redis.call('HKEYS', k)) do\n"
    "  local chain, start = string.match(f, '^b:(.*):(%-?%d+):[^:]*$')\n"
    "  local kind = string.match(f, '^(late):') or string.match(f, '^(other):')\n"
    "  if chain and chains[chain] and int(start) and int(start) >= chains[chain] and #open < 20000 then\n"
    "    open[#open + 1] = chain; open[#open + 1] = start\n"
    "  elseif kind then\n"
    "    sum[kind] = sum[kind] + (int(redis.call('HGET', k, f)) or 0)\n"
    "  end\n"
    "end\n"
    "local out = {'OK', text(now), s[1] and '1' or '', s[2] or '', s[3] or '', s[4] or '', s[5] or '', s[6] or '',\n"
    "             s[7] or '', text(sum.late), text(sum.other)}\n"
    "for i = 1, #open do out[#out + 1] = open[i] end\n"
    "return out\n";

/* KEYS slot; ARGV new, to, settle.  `forced` keeps the last eight spans of the watermark that were forced; one that goes
 * on where the last one ended is one with it. */
static const char force[] =
    PRELUDE
    "local k, to = KEYS[1], ARGV[2]\n"
    "local bad = newer(k)\n"
    "if bad then return bad end\n"
    "local wm = redis.call('HGET', k, 'wm') or '0'\n"
    "local last, at = adv(k)\n"
    "if not int(wm) then return {'BAD', 'wm'} end\n"
    "if last and not at then return {'BAD', 'adv'} end\n"
    "if last and now - at < tonumber(ARGV[3]) then return {'BUSY', text(now)} end\n"
    "if tonumber(wm) >= tonumber(to) then return {'OK', text(now)} end\n"
    "local past, list, from = redis.call('HGET', k, 'forced') or '', {}, wm\n"
    "if #past > 400 then return {'BAD', 'forced'} end\n"
    "for a, b in string.gmatch(past, '(%-?%d+):(%-?%d+)') do list[#list + 1] = {a, b} end\n"
    "if #list > 0 and list[#list][2] == wm then from = table.remove(list)[1] end\n"
    "local forced = from .. ':' .. to\n"
    "for i = #list, math.max(1, #list - 6), -1 do\n"
    "  forced = list[i][1] .. ':' .. list[i][2] .. ' ' .. forced\n"
    "end\n"
    "redis.call('HSET', k, 'fmt', '1', 'adv', wm .. ':' .. to .. ':' .. text(now), 'wm', to,\n"
    "           'forced', forced, 'head', ARGV[1])\n"
    "return {'OK', text(now)}\n";

/* KEYS chain */
static const char model_read[] =
    PRELUDE
    "local k = KEYS[1]\n"
    "local bad = newer(k)\n"
    "if bad then return bad end\n"
    "redis.call('HSET', k, 'seen', text(now))\n"
    "local out = redis.call('HGETALL', k)\n"
    "table.insert(out, 1, text(now))\n"
    "table.insert(out, 1, 'OK')\n"
    "return out\n";

/* KEYS chain, :w; ARGV cursor, about how many */
static const char headers[] =
    PRELUDE
    "local k = KEYS[1]\n"
    "local bad = newer(k)\n"
    "if bad then return bad end\n"
    "redis.call('HSET', k, 'seen', text(now))\n"
    "local portion = redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])\n"
    "local out = portion[2]\n"
    "table.insert(out, 1, redis.call('HGET', k, 'judged_until') or '')\n"
    "table.insert(out, 1, portion[1])\n"
    "table.insert(out, 1, text(now))\n"
    "table.insert(out, 1, 'OK')\n"
    "return out\n";

/* KEYS chain; ARGV new, n sets, pairs */
static const char model_init[] =
    PRELUDE
    "local k, new, nset = KEYS[1], ARGV[1], tonumber(ARGV[2])\n"
    "local bad = newer(k)\n"
    "if bad then return bad end\n"
    "local h = head(k)\n"
    "if h == new then return {'OK', text(now)} end\n"
    "if h then return {'EXISTS', text(now)} end\n"
    "stamp('plan:', 3, nset)\n"
    "each('HSET', k, 3, 2 * nset)\n"
    "redis.call('HSET', k, 'fmt', '1', 'head', new)\n"
    "return {'OK', text(now)}\n";

/* KEYS chain; ARGV prev, new, from, from of the last entry, margin, n sets, pairs */
static const char plan_add[] =
    PRELUDE
    "local k, prev, new, from = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])\n"
    "local nset = tonumber(ARGV[6])\n"
    "local h = head(k)\n"
    "if h == new then return {'DUP', text(now)} end\n"
    "if h ~= prev then return {'CONFLICT', text(now)} end\n"
    "local judged = redis.call('HGET', k, 'judged_until')\n"
    "if judged and not int(judged) then return {'BAD', 'judged_until'} end\n"
    "if from < now + tonumber(ARGV[5]) or from <= tonumber(ARGV[4])\n"
    "   or (judged and from < tonumber(judged)) then return {'TOO_EARLY', text(now)} end\n"
    "for i = 7, 5 + 2 * nset, 2 do\n"
    "  if string.sub(ARGV[i], 1, 5) == 'plan:' and redis.call('HEXISTS', k, ARGV[i]) == 1 then\n"
    "    return {'CONFLICT', text(now)}\n"
    "  end\n"
    "end\n"
    "stamp('plan:', 7, nset)\n"
    "each('HSET', k, 7, 2 * nset)\n"
    "redis.call('HSET', k, 'head', new)\n"
    "return {'OK', text(now)}\n";

/* KEYS chain, :w, :v, :out; ARGV prev, new, start, end, header, n sets, n dels, n old headers, n bodies, n old bodies,
 * n out; then each */
static const char verdict[] =
    PRELUDE
    "local k, w, v, out, prev, new = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2]\n"
    "local h = head(k)\n"
    "if h == new then return {'DUP', text(now)} end\n"
    "if h ~= prev then return {'CONFLICT', text(now)} end\n"
    "local judged = redis.call('HGET', k, 'judged_until')\n"
    "if judged and not int(judged) then return {'BAD', 'judged_until'} end\n"
    "if judged and tonumber(ARGV[3]) < tonumber(judged) then return {'JUDGED', text(now)} end\n"
    "redis.call('HLEN', w); redis.call('HLEN', v); redis.call('HLEN', out)\n"
    "local nset, ndel, ngone = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])\n"
    "local nbody, nold, nout = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])\n"
    "local set = 12\n"
    "local del = set + 2 * nset\n"
    "local gone = del + ndel\n"
    "local body = gone + ngone\n"
    "local old = body + 2 * nbody\n"
    "redis.call('HSET', w, ARGV[3], (string.gsub(ARGV[5], '@now@', text(now))))\n"
    "each('HSET', v, body, 2 * nbody)\n"
    "each('HSET', out, old + nold, 2 * nout)\n"
    "each('HSET', k, set, 2 * nset)\n"
    "redis.call('HSET', k, 'judged_until', ARGV[4], 'head', new)\n"
    "each('HDEL', k, del, ndel)\n"
    "each('HDEL', w, gone, ngone)\n"
    "each('HDEL', v, old, nold)\n"
    "return {'OK', text(now)}\n";

/* KEYS chain, :early, :out; ARGV head, window start, body, n, (name of the notice, entry's field, entry)...  The head
 * says that the window has not been judged; it stays as it is.  The entries of a notice go out once for its name and
 * window: the name is marked behind them, so what fails in between is done again. */
static const char early[] =
    PRELUDE
    "local k, e, out = KEYS[1], KEYS[2], KEYS[3]\n"
    "if head(k) ~= ARGV[1] then return {'CONFLICT', text(now)} end\n"
    "redis.call('HLEN', out)\n"
    "if redis.call('HGET', e, 'start') ~= ARGV[2] then redis.call('DEL', e) end\n"
    "redis.call('HSET', e, 'start', ARGV[2], 'ms', text(now), 'body', ARGV[3])\n"
    "local last, told = 2 + 3 * tonumber(ARGV[4]), {}\n"
    "for i = 5, last, 3 do\n"
    "  if redis.call('HEXISTS', e, 'n:' .. ARGV[i]) == 0 then\n"
    "    redis.call('HSET', out, ARGV[i + 1], ARGV[i + 2])\n"
    "    told[#told + 1] = ARGV[i]\n"
    "  end\n"
    "end\n"
    "for _, name in ipairs(told) do redis.call('HSET', e, 'n:' .. name, '1') end\n"
    "return {'OK', text(now)}\n";

/* KEYS chain; ARGV prev, new, n sets, pairs */
static const char operate[] =
    PRELUDE
    "local k, prev, new, nset = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])\n"
    "local h = head(k)\n"
    "if h == new then return {'DUP', text(now)} end\n"
    "if h ~= prev then return {'CONFLICT', text(now)} end\n"
    "each('HSET', k, 4, 2 * nset)\n"
    "redis.call('HSET', k, 'head', new)\n"
    "return {'OK', text(now)}\n";

/* KEYS :out */
static const char out_read[] =
    PRELUDE
    "local out = redis.call('HGETALL', KEYS[1])\n"
    "table.insert(out, 1, text(now))\n"
    "table.insert(out, 1, 'OK')\n"
    "return out\n";

/* KEYS :out; ARGV action, owner, lease.  The lease is "until:owner": an owner's name may hold anything. */
static const char out_claim[] =
    PRELUDE
    "local k, action, owner = KEYS[1], ARGV[1], ARGV[2]\n"
    "if redis.call('HEXISTS', k, 'e:' .. action) == 0 then return {'GONE', text(now)} end\n"
    "local lease = redis.call('HGET', k, 'l:' .. action)\n"
    "local till, holder = string.match(lease or '', '^(%d+):(.*)$')\n"
    "if till and holder ~= owner and tonumber(till) > now then return {'TAKEN', text(now)} end\n"
    "redis.call('HSET', k, 'l:' .. action, text(now + tonumber(ARGV[3])) .. ':' .. owner)\n"
    "return {'OK', text(now)}\n";

/* KEYS :out; ARGV action, state.  An entry that a failover took away keeps its state: judged again, it has the same
 * id and is known to be sent. */
static const char out_state[] =
    PRELUDE
    "redis.call('HSET', KEYS[1], 's:' .. ARGV[1], ARGV[2])\n"
    "redis.call('HDEL', KEYS[1], 'l:' .. ARGV[1])\n"
    "return {'OK', text(now)}\n";

/* KEYS hash, string; ARGV id, meta, bytes */
static const char baseline_put[] =
    PRELUDE
    "local there = redis.call('GET', KEYS[2])\n"
    "if there and there ~= ARGV[3] then return {'EXISTS', text(now)} end\n"
    "local known = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1\n"
    "if not there then redis.call('SET', KEYS[2], ARGV[3]) end\n"
    "if not (there and known) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end\n"
    "return {'OK', text(now)}\n";

/* KEYS hash, string; ARGV id */
static const char baseline_activate[] =
    PRELUDE
    "if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 or redis.call('EXISTS', KEYS[2]) == 0 then\n"
    "  return {'GONE', text(now)}\n"
    "end\n"
    "redis.call('HSET', KEYS[1], 'active', ARGV[1])\n"
    "return {'OK', text(now)}\n";
/* clang-format on */

const struct drift_script_text drift_scripts[DRIFT_N_SCRIPT] = {
    [DRIFT_SCRIPT_ACQUIRE] = {"ACQUIRE", 1, acquire},
    [DRIFT_SCRIPT_FLUSH] = {"FLUSH", 1, flush},
    [DRIFT_SCRIPT_READ] = {"READ", 1, read},
    [DRIFT_SCRIPT_SHOW] = {"SHOW", 1, show},
    [DRIFT_SCRIPT_FORCE] = {"FORCE", 1, force},
    [DRIFT_SCRIPT_MODEL_READ] = {"MODEL_READ", 1, model_read},
    [DRIFT_SCRIPT_HEADERS] = {"HEADERS", 2, headers},
    [DRIFT_SCRIPT_MODEL_INIT] = {"MODEL_INIT", 1, model_init},
    [DRIFT_SCRIPT_PLAN_ADD] = {"PLAN_ADD", 1, plan_add},
    [DRIFT_SCRIPT_VERDICT] = {"VERDICT", 4, verdict},
    [DRIFT_SCRIPT_EARLY] = {"EARLY", 3, early},
    [DRIFT_SCRIPT_OPERATE] = {"OPERATE", 1, operate},
    [DRIFT_SCRIPT_OUT_READ] = {"OUT_READ", 1, out_read},
    [DRIFT_SCRIPT_OUT_CLAIM] = {"OUT_CLAIM", 1, out_claim},
    [DRIFT_SCRIPT_OUT_STATE] = {"OUT_STATE", 1, out_state},
    [DRIFT_SCRIPT_BASELINE_PUT] = {"BASELINE_PUT", 2, baseline_put},
    [DRIFT_SCRIPT_BASELINE_ACTIVATE] = {"BASELINE_ACTIVATE", 2, baseline_activate},
};

enum { ROOM = 3 }; /* EVALSHA, digest, number of keys */

void drift_args_script(struct drift_args *a)
{
    *a = (struct drift_args){0};
    for (int i = 0; i < ROOM; i++)
        drift_args_text(a, "");
}

static void set_arg(struct drift_args *a, size_t i, const char *z)
{
    a->v[i] = z;
    a->len[i] = strlen(z);
}

/* The digest is asked of the server, which learns the script on the way.  A server that refuses SCRIPT gets EVAL. */
static int learn(struct drift_store *s, enum drift_script id, const struct drift_args *like, struct drift_err *err)
{
    struct drift_args a = {.like = like};
    redisReply *r;
    if (s->sha[id][0])
        return 0;
    drift_args_text(&a, "SCRIPT");
    drift_args_text(&a, "LOAD");
    drift_args_text(&a, drift_scripts[id].text);
    int rc = drift_redis_raw(s, &a, &r, err);
    if (!rc && drift_reply_is_text(r) && r->len == 40 && strspn(r->str, "0123456789abcdef") == 40)
        memcpy(s->sha[id], r->str, 41);
    freeReplyObject(r);
    drift_args_release(&a);
    return rc;
}

int drift_script_call(struct drift_store *s, enum drift_script id, struct drift_args *a, redisReply **ret,
                      struct drift_err *err)
{
    const struct drift_script_text *t = &drift_scripts[id];
    static const char *const numbers[] = {"0", "1", "2", "3", "4"};
    *ret = NULL;
    set_arg(a, 0, "EVALSHA");
    set_arg(a, 2, numbers[t->n_keys]);
    int rc = learn(s, id, a, err);
    if (rc)
        return rc;
    set_arg(a, 1, s->sha[id]);
    if (s->sha[id][0] && (rc = drift_redis_raw(s, a, ret, err)))
        return rc;
    if (!*ret || ((*ret)->type == REDIS_REPLY_ERROR && !strncmp((*ret)->str, "NOSCRIPT", 8))) {
        freeReplyObject(*ret);
        set_arg(a, 0, "EVAL");
        set_arg(a, 1, t->text);
        if ((rc = drift_redis_raw(s, a, ret, err)))
            return rc;
    }
    redisReply *r = *ret;
    if (r->type == REDIS_REPLY_ERROR)
        rc = drift_reply_error(s, r, t->name, err);
    else if (r->type != REDIS_REPLY_ARRAY || r->elements < 2 || !drift_reply_is_text(r->element[0]))
        rc = drift_reply_odd(s, t->name, err);
    else if (!strcmp(r->element[0]->str, "BAD") && drift_reply_is_text(r->element[1]))
        rc = drift_fail(err, DRIFT_E_CORRUPT, DRIFT_STOP,
                        "field %.40s of a slot in redis is not what driftd writes (%s)", r->element[1]->str, t->name);
    else if (!strcmp(r->element[0]->str, "VERSION"))
        rc = drift_fail(err, DRIFT_E_VERSION, DRIFT_STOP,
                        "a slot in redis was written by a newer driftd (%s): run that version", t->name);
    if (!rc)
        return 0;
    freeReplyObject(r);
    *ret = NULL;
    return rc;
}

int drift_script_cas(struct drift_store *s, enum drift_script id, struct drift_args *a, enum drift_reply *ret,
                     int64_t *ret_now_ms, struct drift_err *err)
{
    static const char *const words[] = {
        [DRIFT_REPLY_OK] = "OK",
        [DRIFT_REPLY_DUP] = "DUP",
        [DRIFT_REPLY_STALE] = "STALE",
        [DRIFT_REPLY_CONFLICT] = "CONFLICT",
        [DRIFT_REPLY_BUSY] = "BUSY",
        [DRIFT_REPLY_NOOP] = "NOOP",
        [DRIFT_REPLY_JUDGED] = "JUDGED",
        [DRIFT_REPLY_EXISTS] = "EXISTS",
        [DRIFT_REPLY_TOO_EARLY] = "TOO_EARLY",
    };
    redisReply *r;
    int64_t now;
    int rc = drift_script_call(s, id, a, &r, err);
    drift_args_release(a);
    if (rc)
        return rc;
    size_t i = 0;
    while (i < sizeof words / sizeof *words && strcmp(r->element[0]->str, words[i]) != 0)
        i++;
    if (i == sizeof words / sizeof *words || !drift_reply_i64(r->element[1], &now)) {
        rc = drift_reply_odd(s, drift_scripts[id].name, err);
    } else {
        *ret = (enum drift_reply)i;
        if (ret_now_ms)
            *ret_now_ms = now;
    }
    freeReplyObject(r);
    return rc;
}

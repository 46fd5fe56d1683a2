/* src/config/reference.c    The reference of every key as Markdown, from the schema table. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "driftd/internal/config/schema.h"
#include "driftd/measure.h"

enum { KEY_MAX = 256 };

static const char head[] =
    "# Configuration\n"
    "\n"
    "<!-- made by `driftd check --reference`; a test fails when this file is stale -->\n"
    "\n"
    "One YAML file. `driftd check -c FILE` reports every mistake at once as\n"
    "`file:line:column: path: message`; nothing starts with a file that has one. Commented examples are in `config/`;\n"
    "`config/driftd.schema.json` is a JSON Schema for editors.\n"
    "\n"
    "- **Durations** have a unit: `500ms`, `30s`, `15m`, `1h30m`, `14d`, `2w`. **Sizes** too: `64KiB`, `16MiB`, `1MB`. "
    "A bare\n"
    "  number is refused.\n"
    "- **Numbers and true/false** stand plain, without quotes. Texts may be plain or quoted; a text that begins with "
    "a\n"
    "  special character of YAML (`*`, `!`, `&`, `{` ...) needs quotes.\n"
    "- **Secrets** are never in the file: `{file: PATH}` (not readable by others) or `{env: NAME}`. A line end behind "
    "the\n"
    "  secret is dropped. They are read when they are needed.\n"
    "- **Relative files** (`file`, `schema_file`, `ca_file`, `socket`) are relative to the directory of the "
    "configuration.\n"
    "- **Names** of owners, endpoints, playbooks, streams and models are free, up to 128 bytes.\n"
    "- **Paths** are dotted: `meta.model` is the member `model` of the member `meta`.\n"
    "- **Names with `*` and `?`** match as in a shell: `*` any text, `?` one byte.\n"
    "- Anchors and aliases may be used to write a thing once; tags and several documents may not. Limits: 1 MiB, 16 "
    "levels,\n"
    "  100,000 values with aliases written out.\n";

static void add_choices(const struct drift_schema_choice *choices, struct drift_buf *out)
{
    for (const struct drift_schema_choice *c = choices; c->name; c++)
        drift_buf_addf(out, "%s`%s`", c == choices ? "" : c[1].name ? ", " : " or ", c->name);
}

static void add_type(const struct drift_schema_row *row, struct drift_buf *out)
{
    static const char *const names[] = {[DRIFT_T_TEXT] = "text",         [DRIFT_T_INT] = "whole number",
                                        [DRIFT_T_NUMBER] = "number",     [DRIFT_T_BOOL] = "true or false",
                                        [DRIFT_T_DURATION] = "duration", [DRIFT_T_SIZE] = "size",
                                        [DRIFT_T_CHOICE] = "",           [DRIFT_T_REF] = "name",
                                        [DRIFT_T_SECRET] = "secret",     [DRIFT_T_OPTION] = "text or secret",
                                        [DRIFT_T_MAP] = "map",           [DRIFT_T_NAMED] = "map: name to ",
                                        [DRIFT_T_LIST] = "list of ",     [DRIFT_T_REFUSED] = "reserved"};
    char range[96];
    if (row->single) {
        add_type(row->elem, out);
        return;
    }
    if (row->choices)
        add_choices(row->choices, out);
    else
        drift_buf_adds(out, names[row->type]);
    if (row->elem)
        add_type(row->elem, out);
    if (*drift_schema_range_text(row, range, sizeof range))
        drift_buf_addf(out, ", %s", range);
    if (row->sub && row->type != DRIFT_T_MAP)
        drift_buf_adds(out, "; or a map");
}

static void add_default(const struct drift_schema_row *row, struct drift_buf *out)
{
    if (row->required)
        drift_buf_adds(out, "**required**");
    else if (row->fallback)
        drift_buf_addf(out, "`%s`", row->fallback);
    else if (row->fallback_words)
        drift_buf_adds(out, row->fallback_words);
}

/* The rows of one map, maps inside it flattened to dotted keys. */
static void add_rows(const struct drift_schema_row *rows, const char *prefix, struct drift_buf *out)
{
    for (const struct drift_schema_row *row = rows; row->key; row++) {
        char key[KEY_MAX];
        snprintf(key, sizeof key, "%s%s", prefix, row->key);
        drift_buf_addf(out, "| `%s` | ", key);
        add_type(row, out);
        drift_buf_adds(out, " | ");
        add_default(row, out);
        drift_buf_addf(out, " | %s |\n", row->help);
        snprintf(key, sizeof key, "%s%s.", prefix, row->key);
        if (row->sub)
            add_rows(row->sub, key, out);
    }
}

/* What the values of a choice mean, where that needs saying. */
static void add_meanings(const struct drift_schema_row *rows, const char *prefix, struct drift_buf *out)
{
    for (const struct drift_schema_row *row = rows; row->key; row++) {
        char key[KEY_MAX];
        snprintf(key, sizeof key, "%s%s.", prefix, row->key);
        if (row->sub)
            add_meanings(row->sub, key, out);
        if (!row->choices || !row->choices[0].help)
            continue;
        drift_buf_addf(out, "\n`%s%s`:\n\n", prefix, row->key);
        for (const struct drift_schema_choice *c = row->choices; c->name; c++)
            drift_buf_addf(out, "- `%s`: %s\n", c->name, c->help);
    }
}

static void add_section(const struct drift_schema_row *rows, const char *title, const char *help, const char *prefix,
                        struct drift_buf *out)
{
    drift_buf_addf(out, "\n## `%s`\n\n%c%s.\n\n| key | type | default | what |\n|---|---|---|---|\n", title,
                   toupper((unsigned char)*help), help + 1);
    add_rows(rows, prefix, out);
    add_meanings(rows, prefix, out);
}

/* Sections of the maps and lists whose elements are maps, in the order of the table. */
static void add_sections(const struct drift_schema_row *rows, const char *prefix, struct drift_buf *out)
{
    for (const struct drift_schema_row *row = rows; row->key; row++) {
        char title[KEY_MAX], inner[KEY_MAX + 1];
        bool many = row->elem && row->elem->type == DRIFT_T_MAP;
        snprintf(title, sizeof title, "%s%s%s", prefix, row->key,
                 !many                       ? ""
                 : row->type == DRIFT_T_LIST ? "[]"
                                             : ".NAME");
        snprintf(inner, sizeof inner, "%s.", title);
        if (many) {
            add_section(row->elem->sub, title, row->elem->help, "", out);
            add_sections(row->elem->sub, inner, out);
        } else if (row->type == DRIFT_T_MAP && !*prefix) {
            add_section(row->sub, title, row->help, "", out);
        }
    }
}

static void add_top(struct drift_buf *out)
{
    drift_buf_adds(out, "\n## Top level\n\n| key | type | default | what |\n|---|---|---|---|\n");
    for (const struct drift_schema_row *row = drift_schema_root.sub; row->key; row++) {
        struct drift_schema_row flat = *row;
        if (row->type == DRIFT_T_MAP)
            flat.sub = NULL; /* it has a section */
        struct drift_schema_row one[2] = {flat, {.key = NULL}};
        add_rows(one, "", out);
    }
}

static void add_default_rules(struct drift_buf *out)
{
    drift_buf_adds(
        out,
        "\n## Default rules\n\n"
        "A model without `rules` gets these, as far as its streams carry the role (`drift-evidence` where `evidence` "
        "is set). Their owner is the model's, they\n"
        "fire at once (`persist` 1 of 1), with the default `p` and `recovery`, and run the model's `default_playbook`\n"
        "when it has one.\n\n"
        "| name | measure | scope | warning | critical |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < drift_n_default_rules; i++) {
        const struct drift_default_rule *d = &drift_default_rules[i];
        char warning[32], critical[32];
        drift_f64_text(d->warning, warning, sizeof warning);
        drift_f64_text(d->critical, critical, sizeof critical);
        if (d->feature)
            drift_buf_addf(out, "| %s | `%s` | `{feature: \"%s\"}` | %s | %s |\n", d->name,
                           drift_measure_name(d->measure), d->feature, warning, critical);
        else
            drift_buf_addf(out, "| %s | `%s` | `%s` | %s | %s |\n", d->name, drift_measure_name(d->measure),
                           drift_scope_name(d->scope), warning, critical);
    }
}

static void add_measures(struct drift_buf *out)
{
    static const struct {
        const char *name, *numeric, *categorical, *p;
    } rows[] = {
#define YES_1 "yes"
#define YES_0 "no"
#define X(id, name, has_p, num, cat, help) {name, YES_##num, YES_##cat, YES_##has_p},
        DRIFT_MEASURES(X)
#undef X
    };
    drift_buf_adds(out, "\n## Which measure for what\n\n"
                        "Score and latency are numbers; decision, label and source are categories; a feature is what "
                        "its type says. A rule\n"
                        "over features passes over those that its measure does not exist for.\n\n"
                        "| measure | of numbers | of categories | p-value |\n|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        drift_buf_addf(out, "| `%s` | %s | %s | %s |\n", rows[i].name, rows[i].numeric, rows[i].categorical, rows[i].p);
}

static void add_checks(struct drift_buf *out)
{
    drift_buf_adds(
        out,
        "\n## What is refused\n\n"
        "- Endpoints: `http` to anything but a loopback address, unless `allow_private` and a secret are set; private "
        "and\n"
        "  loopback addresses without `allow_private`; user and password in a URL. An endpoint without secret is a "
        "warning.\n"
        "- A topic in two streams; Avro without `registry` or `schema_file`; a stream without anything to watch.\n"
        "- Rules whose measure does not exist for their scope, whose level can never be reached, with `critical` "
        "below\n"
        "  `warning` or `recovery` not below the lowest level, or over a role that no stream of the model carries.\n"
        "- `lateness` that holds more than 10,000 windows open; `retain` below `settle` + `plan_ttl` + `clock_skew`.\n"
        "- `deduplicate` where a stream has no role `id`; `max_ids` of more than 6,000,000 ids in a partition in all.\n"
        "- These properties in `kafka.options`:\n\n"
        "| property | why |\n|---|---|\n");
    for (const struct drift_reserved_option *r = drift_reserved_options; r->name; r++)
        drift_buf_addf(out, "| `%s` | %s |\n", r->name, r->why);
}

void drift_config_reference(struct drift_buf *out)
{
    drift_buf_adds(out, head);
    add_top(out);
    add_sections(drift_schema_root.sub, "", out);
    add_default_rules(out);
    add_measures(out);
    add_checks(out);
}

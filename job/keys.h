/* keys.h - every key of a job file, once.
 * The parser takes its lists of allowed keys from here; tests compare this
 * table with docs/job-file.md, with personas.schema.json, and with what the
 * recipe really contains. `rows` says whether the key changes rows, that is,
 * whether it stands in the recipe (see recipe.h); `why` gives the reason.
 * Constant data. */
#pragma once
#include "common/base.h"

/* X(path, type, default, allowed, changes rows, why) */
#define JOB_KEY_LIST(X)                                                        \
    X("job", "text", "required", "`personas`", true, "decides what a row is")  \
    X("name", "text", "required", "`[a-z0-9-]{1,64}`", false,                  \
      "a label; the same people under another name are the same rows")         \
    X("seed", "number", "`0`", "`0` to `18446744073709551615`", true,          \
      "another seed draws other people")                                       \
    X("rows", "number", "required", "`1` to `100000000000`", false,            \
      "more rows extend the same sequence")                                    \
    X("population", "map", "`{data: us}`",                                     \
      "`data`, `where`, `mix`, `phrases`", true, "see its keys")               \
    X("population.data", "text", "`us`", "`us`, `world`, or a folder", true,   \
      "the tables that people are drawn from; their hash stands beside it")    \
    X("population.where", "map", "`{}`", "conditions on attributes", true,     \
      "limits who is drawn")                                                   \
    X("population.mix", "map", "`{}`", "weights of root attributes", true,     \
      "of whom more, of whom fewer")                                           \
    X("population.phrases", "text", "none", "a folder", true,                  \
      "files of phrases beyond those that come with Cohort")                   \
    X("phases", "list", "`[corpus, compose]`",                                 \
      "`[corpus]`, `[corpus, compose]`", true, "decides which columns exist")  \
    X("provider", "text", "`builtin`", "`builtin`, or a name in `providers`",  \
      true, "writes the prose")                                                \
    X("providers", "map", "none", "1 to 16 names", true,                       \
      "of the one that is used: its name, `kind`, `model` and `price`, as "    \
      "rows "                                                                  \
      "say what they cost; the rest is for workers ([its "                     \
      "keys](providers.md))")                                                  \
    X("prompts", "text", "those of Cohort", "a folder", true,                  \
      "what models are asked; the texts stand in the recipe")                  \
    X("arms", "list", "none", "2 to 8 of `{name, share, provider, prompts}`",  \
      true,                                                                    \
      "shares of the rows in percent, each with a writer of its own; "         \
      "to compare them")                                                       \
    X("fallback_ok", "truth", "`false`", "`true`, `false`", true,              \
      "rows that a fallback wrote are not marked `degraded`")                  \
    X("answers", "map", "see its keys",                                        \
      "`max_tokens`, `temperature`, `repairs`, `fresh`", true, "see its keys") \
    X("answers.max_tokens", "number", "`1200`", "`16` to `32000`", true,       \
      "cuts an answer off")                                                    \
    X("answers.temperature", "number", "`0.8`", "`0` to `2`, or `own`", true,  \
      "how freely a model writes; `own` sends none, as some models want; "     \
      "kind `anthropic` takes `0` to `1`")                                     \
    X("answers.repairs", "number", "`2`", "`0` to `5`", true,                  \
      "how often a wrong answer is given back to be mended")                   \
    X("answers.fresh", "number", "`1`", "`0` to `5`", true,                    \
      "how often it is asked anew after that; then the row is dead")           \
    X("budget", "map", "none", "`usd`, `reserve`, `short`, `phases`", false,   \
      "see its keys")                                                          \
    X("budget.usd", "number", "none", "up to `9000000`, 12 decimals", false,   \
      "no more is spent; a higher one goes on")                                \
    X("budget.reserve", "share", "`0`", "USD, or a percent of `usd`: `10%`",   \
      false, "comes off first; phases that run short take from it")            \
    X("budget.short", "text", "`stop`", "`stop`, `degrade`", false,            \
      "where the money left covers no other call: the job stops, or rows go "  \
      "on with the fallbacks")                                                 \
    X("budget.phases", "map", "none", "`background`, `personas`", false,       \
      "cuts the rest; without it the budget is one pot")                       \
    X("budget.phases.background", "share", "none",                             \
      "USD, or a percent of `usd` less the reserve: `40%`", false,             \
      "what the first call of a row may cost, of all rows")                    \
    X("budget.phases.personas", "share", "none", "as the one above", false,    \
      "the same of the second")                                                \
    X("cache", "text", "`off`", "`off`, `own`, `shared`", false,               \
      "`own` takes answers that an earlier job of this machine paid for, "     \
      "`shared` those to an equal prompt")                                     \
    X("dedup", "map", "see its keys", "`method`, `memory`", true,              \
      "see its keys")                                                          \
    X("dedup.method", "text", "`auto`", "`auto`, `exact`, `none`", true,       \
      "a person who says what an earlier one said is replaced by the next")    \
    X("dedup.memory", "size", "`2GiB`", "`1MiB` to `1024GiB`", false,          \
      "what the comparison may use; too little refuses the job")               \
    X("priority", "text", "`medium`", "`low`, `medium`, `high`, `critical`",   \
      false, "when, not what")                                                 \
    X("output", "map", "see its keys", "`dir`, `shard_rows`, `formats`",       \
      false, "where, not what")                                                \
    X("output.dir", "text", "`out/NAME`", "1 to 1024 bytes", false,            \
      "where, not what")                                                       \
    X("output.shard_rows", "number", "`10000`",                                \
      "`250` to `1000000`, a multiple of `250`", false,                        \
      "cuts the same rows into other files")                                   \
    X("output.formats", "list", "`[jsonl.zst]`", "`[jsonl.zst]`", false,       \
      "the same rows in another dress")                                        \
    X("service", "text", "`auto`", "`auto`, `slow`", false,                    \
      "`slow` makes the same rows, 20 ms each; for tests only")

struct job_key {
    const char *path; /* dots lead into maps */
    const char *type;
    const char *fallback; /* "required", or the default as written */
    const char *allowed;
    bool changes_rows;
    const char *why;
};

enum { JOB_KEYS_MAX = 48 };

/* All keys in the order of the list; *ret_count of them. */
const struct job_key *job_keys(size_t *ret_count);
/* Names of the keys directly under prefix ("" or "output"), NULL-terminated,
 * into names (JOB_KEYS_MAX). */
void job_keys_under(const char *prefix, const char *names[JOB_KEYS_MAX]);

/* why_findings.c - see why_impl.h. */
#include "cli/why_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code, *act;
    enum why_level level;
} findings[] = {
#define X(id, code, level, act) {code, act, WHY_##level},
    FINDINGS(X)
#undef X
};

const char *
why_level_name(enum why_level level)
{
    static const char *const names[] = {"fine", "note", "problem"};

    return names[level];
}

void
why_say(struct why *w, enum finding f, const char *fmt, ...)
{
    struct why_finding *to = &w->v[w->n];
    va_list args;

    if (w->n == WHY_MAX) return;
    w->n++;
    *to = (struct why_finding){.level = findings[f].level,
                               .code = findings[f].code,
                               .act = findings[f].act};
    va_start(args, fmt);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, above
    (void)vsnprintf(to->text, sizeof to->text, fmt, args);
    va_end(args);
    if (strstr(to->text, to->act)) to->act = ""; /* it says so itself */
}

const char *
why_s(uint64_t n)
{
    return n == 1 ? "" : "s";
}

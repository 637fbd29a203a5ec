/* scale_set.h - a person's word on a service: what may be said, and into which
 * keys it goes (pin:SERVICE, which the scaler reads every second). */
#pragma once
#include "cli/source.h"

struct scale_word {
    const char *size;      /* workers, or "auto"; NULL: as it was */
    const char *min, *max; /* workers, or "none"; NULL: as they were */
    const char *mode;      /* NULL: as it was */
    uint64_t memory_bytes; /* of a worker; 0: as it was */
    bool is_new;           /* the service may be one that nobody names */
};

/* What can be seen without Redis. CO_USAGE: what is wrong, what is allowed. */
co_must_use enum co_err scale_check(const char *service,
                                    const struct scale_word *word,
                                    struct co_diag *diag);
/* CO_NOTFOUND, with those that are known: no job, worker or supervisor has
 * named it, and nobody has set anything for it. */
co_must_use enum co_err scale_known(struct source *source, const char *service,
                                    struct co_diag *diag);
/* After scale_check. CO_NOTFOUND as above; CO_USAGE: it contradicts what was
 * set before, and nothing was changed. */
co_must_use enum co_err scale_set(struct source *source, const char *service,
                                  const struct scale_word *word,
                                  struct co_diag *diag);

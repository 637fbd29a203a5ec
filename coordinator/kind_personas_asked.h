/* kind_personas_asked.h - what kind_written.c asks of the personas kind, whose
 * candidates it lets a model write. */
#pragma once
#include "coordinator/kind_personas.h"

struct personas_progress {
    uint64_t rows;     /* asked for */
    uint64_t accepted; /* counted in order */
    uint64_t ahead;    /* good ones behind the front's end */
    uint64_t front;    /* cells below are counted */
    uint64_t next;     /* cell that would be drawn, if it is a new one */
    uint64_t sealed;   /* cells below are in sealed shards */
    bool packs;        /* next() gives out a pack */
};

struct personas_progress personas_progress(const struct personas *p);
/* Whether next() would draw a new cell, beyond all that is drawn. */
bool personas_next_is_new(struct personas *p);
/* Start and number of the candidates of a range or pack; false: there is none
 * such (any more). */
bool personas_range(const struct personas *p, uint64_t task,
                    uint64_t *ret_start, uint32_t *ret_count);
/* Whether the piece of a range has a result, or is dead: a further result is
 * a duplicate. */
bool personas_is_decided(const struct personas *p, uint64_t task);
/* Whether a candidate may still be in a range or pack to be published: its
 * cell is neither sealed nor decided for good. Cells that are not open yet
 * may, and those of a cut shard that may be opened again. */
bool personas_may_publish(const struct personas *p, uint64_t cell);
/* About the range whose result was just taken: how many of those that it does
 * not accept were given up, and how many never asked for; and whether any of
 * them would be asked, or asked again, if there were more rows or money. */
void personas_mark(struct personas *p, uint64_t task, uint32_t gave_up,
                   uint32_t unasked, bool open_ended);
/* Before a replay with personas_remakes(): a SEALED record that it will come
 * by, in any order. CO_DAMAGED. */
co_must_use enum co_err personas_foresee(struct personas *p, const uint8_t *in,
                                         size_t len);
/* Whether the candidate's shard, and all behind it, may be as if they had not
 * been sealed: with too many nobody has the memory. */
bool personas_may_reopen(const struct personas *p, uint64_t row);
/* From now on, in a replay with personas_remakes(), no record seals the shard
 * of that candidate or one behind it; UINT64_MAX: all do. */
void personas_hold_open(struct personas *p, uint64_t row);
/* Such shards as were not sealed are below; what is not sealed again has a file
 * that does not count any more. */
uint64_t personas_unsealed(const struct personas *p);
/* No new cell is drawn any more. When what is drawn is decided the job is
 * over, with as many rows as there are; none counts behind the first cell that
 * is open-ended, since a later run goes on there. */
void personas_stop(struct personas *p);
/* Before a replay: it has every result that ever counted, and take() is asked
 * about each. So a cut shard is not opened again from its record when more rows
 * are asked for; it is as if it had not been sealed. */
void personas_remakes(struct personas *p);

/* letters.c - see letters.h. */
#include "coordinator/letters.h"

#include "common/clock.h"
#include "common/log.h"

#include <inttypes.h>

enum co_err
letters_open(const char *dir, struct watch *watch, struct letters *ret_letters,
             struct co_diag *diag)
{
    enum co_err err;

    *ret_letters = (struct letters){.watch = watch};
    err = dead_file_load(dir, &ret_letters->file, diag);
    if (!err) watch_letters(watch, &ret_letters->file);
    return err;
}

void
letters_close(struct letters *l)
{
    dead_file_fini(&l->file);
}

static void
say_unwritten(struct letters *l, const char *why)
{
    if (l->unwritten++) return; /* once; the rest would say the same */
    co_log(CO_LOG_ERROR, "dead.unwritten", "file=%s why=%s",
           co_log_quote(l->file.path).text, co_log_quote(why).text);
}

void
letters_on_dead(void *ctx, const uint8_t *letter, size_t len)
{
    struct letters *l = ctx;
    struct co_diag diag = {"it has 10,000 letters already"};
    enum co_err err = dead_file_add(&l->file, letter, len, &diag);

    if (err == CO_EXISTS) return; /* a replay tells all of them again */
    if (err) {
        say_unwritten(l, diag.text);
        return;
    }
    watch_letter(l->watch, &l->file.v[l->file.n - 1]);
    co_log(CO_LOG_WARN, "task.dead", "row=%" PRIu64 " file=%s",
           l->file.v[l->file.n - 1].row, co_log_quote(l->file.path).text);
}

static void
mark(struct letters *l, uint64_t task, enum dead_state state)
{
    struct co_diag diag = {"no letter"};

    if (dead_file_mark(&l->file, task, state, co_clock_wall_ms(), &diag)) {
        say_unwritten(l, diag.text);
    }
}

void
letters_on_revived(void *ctx, uint64_t task)
{
    mark(ctx, task, DEAD_REPLAYED);
}

enum co_err
letters_foresee(void *ctx, struct engine *e)
{
    struct letters *l = ctx;

    for (size_t i = 0; i < l->file.n; i++) {
        const struct dead_letter *letter = &l->file.v[i];
        enum co_err err;

        if (letter->state != DEAD_REPLAY) continue;
        err = engine_foresee(e, letter->task);
        if (err == CO_RANGE) {
            mark(l, letter->task, DEAD_FINAL);
            co_log(CO_LOG_WARN, "task.final", "row=%" PRIu64, letter->row);
        } else if (err) {
            return err;
        }
    }
    return CO_OK;
}

enum co_err
letters_revive(struct letters *l, struct engine *e, bool *ret_more,
               struct co_diag *diag)
{
    *ret_more = true;
    for (; l->revived < l->file.n; l->revived++) {
        const struct dead_letter *letter = &l->file.v[l->revived];
        enum co_err err;

        if (letter->state != DEAD_REPLAY) continue;
        err = engine_revive(e, letter->task);
        if (err == CO_FULL) return CO_OK;
        if (err && err != CO_STATE) {
            return co_fail(diag, err, "cannot draw row %" PRIu64 " again: %s",
                           letter->row, co_err_text(err));
        }
        if (err == CO_STATE) mark(l, letter->task, DEAD_FINAL);
        co_log(CO_LOG_INFO, "task.revived", "row=%" PRIu64 " error=%s",
               letter->row, err ? co_err_name(err) : "none");
    }
    *ret_more = false;
    return CO_OK;
}

enum co_err
letters_sync(struct letters *l, struct journal *j, struct co_diag *diag)
{
    int fd;

    if (journal_sync_failed(j)) return journal_error(j, diag);
    fd = dead_file_take_dirty(&l->file);
    if (fd >= 0) journal_sync_with(j, fd);
    return CO_OK;
}

/* The kernel tells of a failure once, to whoever syncs first: the journal's
 * thread may have been told while we were waiting, and we nothing. */
enum co_err
letters_finish(struct letters *l, struct journal *j, struct co_diag *diag)
{
    enum co_err err = dead_file_sync(&l->file, diag);

    return err ? err : journal_error(j, diag);
}

bool
letters_wanted(const char *dir)
{
    struct dead_file file;
    bool wanted = false;

    if (dead_file_load(dir, &file, NULL)) return false;
    for (size_t i = 0; i < file.n; i++) {
        wanted |= file.v[i].state == DEAD_REPLAY;
    }
    dead_file_fini(&file);
    return wanted;
}

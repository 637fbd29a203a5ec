/* cmd_journal.c - `cohort journal check|repair`: is a run's journal in order,
 * and if not, make it so. Takes the folder's lock first: a journal that is
 * being written cannot be judged. */
#include "cli/say.h"
#include "common/fs.h"
#include "common/hash.h"
#include "journal/recover.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_BYTES_MAX = 8192 };

struct journal_config {
    char unused; /* no options */
};

struct paths {
    char folder[PATH_MAX]; /* that is locked */
    char journal[PATH_MAX];
};

static bool
is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* DIR is an output folder, or the journal folder in it. */
static enum co_err
find(const char *given, struct paths *p, struct co_diag *diag)
{
    char real[PATH_MAX];
    char *slash;

    if (!is_folder(given) || !realpath(given, real)) {
        return co_fail(diag, CO_USAGE, "%s: there is no such folder", given);
    }
    (void)snprintf(p->folder, sizeof p->folder, "%s", real);
    if ((size_t)snprintf(p->journal, sizeof p->journal, "%s/journal", real) <
            sizeof p->journal &&
        is_folder(p->journal)) {
        return CO_OK;
    }
    slash = strrchr(p->folder, '/');
    if (!slash || slash == p->folder || strcmp(slash, "/journal") != 0) {
        return co_fail(diag, CO_USAGE,
                       "%s: no journal here; give the output folder of a run",
                       given);
    }
    (void)snprintf(p->journal, sizeof p->journal, "%s", real);
    *slash = '\0';
    return CO_OK;
}

static void
put(struct co_buf *out, const char *name, uint64_t n)
{
    co_buf_printf(out, "  %-10s ", name);
    say_count(out, n);
    co_buf_putc(out, '\n');
}

static void
put_damage(const struct journal_report *r, struct co_buf *out)
{
    char file[FOLDER_NAME_SIZE];

    if (!r->damaged_segments) return;
    co_buf_printf(out,
                  "  damaged    %" PRIu64 " segments, %" PRIu64
                  " bad stretches; first in %s at byte %" PRIu64 " (%" PRIu64
                  " records before, %" PRIu64 " after)\n",
                  r->damaged_segments, r->bad_stretches,
                  folder_segment_file(r->damaged, file), r->damage_offset,
                  r->valid_before, r->valid_after);
}

static void
put_repair(const struct journal_report *r, struct co_buf *out)
{
    if (!r->repaired_segments) return;
    co_buf_printf(out,
                  "  repaired   %" PRIu64 " segments: %" PRIu64
                  " flipped bits corrected (nothing lost by them), %" PRIu64
                  " stretches of %" PRIu64 " bytes given up; the old files "
                  "stay beside as *.damaged\n",
                  r->repaired_segments, r->corrected_bits, r->dropped_stretches,
                  r->dropped_bytes);
}

static void
print_report(const char *dir, const struct journal_report *r)
{
    char file[FOLDER_NAME_SIZE], hex[CO_HEX16_SIZE];
    struct co_buf out;

    co_buf_init(&out, TEXT_BYTES_MAX);
    co_buf_printf(&out, "%s: job %s, owner %" PRIu32 "\n", dir,
                  co_hex16(r->job, hex), r->newest_owner);
    put(&out, "segments", r->segments);
    put(&out, "records", r->records);
    if (r->notes) put(&out, "notes", r->notes);
    put(&out, "bytes", r->bytes);
    if (r->torn_bytes) {
        co_buf_printf(&out,
                      "  torn tail  %" PRIu64 " bytes of %s from byte %" PRIu64
                      ": a write that never finished, nothing acknowledged "
                      "is in it\n",
                      r->torn_bytes, folder_segment_file(r->torn_segment, file),
                      r->torn_offset);
    }
    if (r->ignored_segments) {
        co_buf_printf(&out,
                      "  ignored    %" PRIu64 " segments, %" PRIu64
                      " bytes of replaced owners\n",
                      r->ignored_segments, r->ignored_bytes);
    }
    put_damage(r, &out);
    put_repair(r, &out);
    (void)fputs(co_buf_text(&out), stdout);
    co_buf_fini(&out);
}

/* Nothing counts in it, nothing is wrong with it: zeros would tell neither. */
static bool
is_empty(const struct journal_report *r)
{
    return !r->segments && !r->damaged_segments && !r->torn_bytes &&
           !r->ignored_segments && !r->repaired_segments;
}

static int
look(const char *program, const char *given,
     enum co_err (*work)(const char *dir, struct journal_report *report,
                         struct co_diag *diag))
{
    co_auto(co_fs_closep) int lock = -1;
    struct journal_report report = {0};
    struct co_diag diag = {""};
    struct paths p;
    enum co_err err = find(given, &p, &diag);

    if (!err) err = co_fs_lock(p.folder, &lock, &diag);
    if (err) return say_error(program, err, &diag);
    err = work(p.journal, &report, &diag);
    if (!err && is_empty(&report)) {
        (void)printf("%s: empty, nothing was committed yet\n", p.journal);
        return CLI_OK;
    }
    if ((!err || err == CO_DAMAGED) && !is_empty(&report)) {
        print_report(p.journal, &report);
    }
    if (err) return say_error(program, err, &diag);
    (void)puts("  in order");
    return CLI_OK;
}

/* Both take a folder and nothing else. */
static int
command(const char *program, const char *about, int argc, char **argv,
        enum co_err (*work)(const char *dir, struct journal_report *report,
                            struct co_diag *diag))
{
    const struct co_options_spec options_spec = {.program = program,
                                                 .usage = "DIR",
                                                 .about = about,
                                                 .version = CO_PROGRAM
                                                 " " COHORT_VERSION,
                                                 .args_min = 1,
                                                 .args_max = 1};
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct journal_config config = {0};
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &config, &options,
                     &exit_code)) {
        return exit_code;
    }
    return look(program, co_options_arg(options, 0), work);
}

int
cmd_journal_check(int argc, char **argv)
{
    return command(CO_PROGRAM " journal check",
                   "Checks every byte of a run's journal that counts, and\n"
                   "changes nothing. DIR is the output folder or its journal.",
                   argc, argv, journal_check);
}

int
cmd_journal_repair(int argc, char **argv)
{
    return command(CO_PROGRAM " journal repair",
                   "Repairs a damaged journal: flipped bits are corrected,\n"
                   "what cannot be read is given up, and both are counted.\n"
                   "The old files stay. DIR is the output folder or its\n"
                   "journal.",
                   argc, argv, journal_repair);
}

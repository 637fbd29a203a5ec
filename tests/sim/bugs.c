/* bugs.c - see bugs.h. The table of what must be found. */
#include "tests/sim/bugs.h"

#include "common/base.h"
#include "common/bug.h"

#include <string.h>

const struct planted planted_bugs[] = {
    {"ack_before_commit", "all", 400},
    {"ack_double_early", "all", 400},
    {"ack_wrong_seq", "all", 400},
    {"no_salvage", "all", 400},
    {"replay_forgets_deaths", "all", 400},
    {"accept_duplicates", "all", 400},
    {"cut_off_by_one", "all", 400},
    {"half_lost", "all", 400},
    {"loss_counted_twice", "all", 400},
    {"neighbours_guilty", "all", 400},
    {"losses_close", "all", 400},
    {"over_credit", "all", 400},
    {"retry_never_due", "all", 400},
    {"doubtful_not_republished", "all", 400},
    {"link_down_ignored", "all", 400},
    {"old_attempt_adopted", "all", 400},
    {"segment_gone_early", "all", 400},
    {"commit_without_sync", "all", 400},
    {"adopt_without_sync", "all", 400},
    {"no_checksum", "all", 400},
    {"lost_not_sent", "all", 400},
    {"have_not_answered", "all", 400},
    {"kept_results_lost", "all", 400},
    {"returned_not_passed_on", "all", 400},
    {"mismatch_ignored", "all", 400},
    {"empty_batches_stay", "all", 400},
    {"results_dropped_on_welcome", "all", 400},
    {"inventory_not_sent", "all", 400},
    {"no_owner_drops", "all", 400},
    {"spill_loss_untold", "all", 400},
    {"two_suspects", "all", 400},
    {"suspect_not_alone", "all", 400},
};
const unsigned planted_count = co_countof(planted_bugs);

#ifdef COHORT_PLANTED_BUGS
static const char *chosen = "";

bool
co_bug_is(const char *name)
{
    return strcmp(name, chosen) == 0;
}

bool
bugs_choose(const char *name)
{
    for (unsigned i = 0; i < planted_count; i++) {
        if (strcmp(planted_bugs[i].name, name) != 0) continue;
        chosen = planted_bugs[i].name;
        return true;
    }
    return false;
}
#else
bool
bugs_choose(const char *name)
{
    (void)name;
    return false;
}
#endif

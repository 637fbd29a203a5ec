/* bugs.c - see bugs.h. The table of what must be found. */
#include "tests/sim/bugs.h"

#include "common/base.h"
#include "common/bug.h"

#include <string.h>

const struct planted planted_bugs[] = {
    {"ack_before_commit", "all", 1500, 0},
    {"ack_double_early", "all", 1500, 0},
    {"ack_wrong_seq", "all", 1500, 0},
    {"no_salvage", "all", 1500, 192},
    {"replay_forgets_deaths", "all", 1500, 0},
    {"accept_duplicates", "all", 1500, 0},
    {"cut_off_by_one", "all", 1500, 0},
    {"half_lost", "all", 1500, 0},
    {"loss_counted_twice", "all", 1500, 0},
    {"neighbours_guilty", "all", 1500, 0},
    {"losses_close", "all", 1500, 0},
    {"cut_off_is_dead", "net", 6000, 1068},
    {"over_credit", "all", 1500, 0},
    {"retry_never_due", "all", 1500, 0},
    {"doubtful_not_republished", "all", 1500, 42},
    {"link_down_ignored", "all", 1500, 0},
    {"segment_gone_early", "all", 1500, 0},
    {"commit_without_sync", "all", 1500, 0},
    {"adopt_without_sync", "all", 1500, 39},
    {"no_checksum", "all", 1500, 85},
    {"lost_not_sent", "all", 1500, 0},
    {"kept_results_lost", "all", 1500, 0},
    {"returned_not_passed_on", "all", 1500, 0},
    {"empty_batches_stay", "all", 1500, 210},
    {"results_dropped_on_welcome", "all", 1500, 0},
    {"no_owner_drops", "all", 1500, 0},
    {"spill_loss_untold", "all", 1500, 82},
    {"two_suspects", "calm", 1500, 351},
    {"death_not_journaled", "all", 1500, 0},
    {"dedup_on_arrival", "all", 1500, 0},
    {"sealed_texts_forgotten", "all", 1500, 0},
    /* of several brokers and machines */
    {"silent_lives", "all", 1500, 0},
    {"grants_survive_welcome", "net", 1500, 0},
    /* fences: what an earlier owner or greeting says */
    {"stale_owner_served", "all", 1500, 71},
    {"stale_owner_attaches", "all", 1500, 0},
    {"old_welcome_taken", "net", 1500, 171},
    /* credit that was asked back */
    {"reclaimed_used", "all", 1500, 0},
    {"reclaimed_line_used", "all", 1500, 0},
    /* a Redis that forgot the last second */
    {"rollback_believed", "all", 1500, 0},
    {"claim_left_to_redis", "all", 1500, 0},
    /* calls that cost money */
    {"intent_not_awaited", "paid", 1000, 0},
    {"lost_call_repeated", "paid", 1000, 0},
    {"lost_result_is_unrun", "paid", 1000, 739},
    {"unknown_released", "paid", 1000, 0},
    {"call_price_forgotten", "paid", 1000, 0},
    {"cap_off_by_one", "paid", 1000, 0},
    {"answer_used_early", "paid", 1000, 0},
    {"late_settled_twice", "paid", 1000, 45},
    {"replay_forgets_notes", "paid", 1000, 0},
    /* several writers */
    {"arm_of_the_try", "writers", 500, 0},
    {"first_writers_price", "writers", 500, 0},
    {"fallbacks_unnamed", "writers", 500, 0},
    {"replay_forgets_writers", "writers", 500, 0},
    {"built_before_commit", "writers", 500, 0},
    {"degraded_counted_twice", "writers", 500, 0},
    /* batches */
    {"unsure_is_unmade", "batches", 500, 0},
    {"not_listed_is_unmade", "batches", 500, 0},
    {"new_life_submits", "batches", 500, 0},
    {"expired_stays_charged", "batches", 500, 0},
    {"missing_lines_are_free", "batches", 500, 0},
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

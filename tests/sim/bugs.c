/* bugs.c - see bugs.h. The table of what must be found. */
#include "tests/sim/bugs.h"

#include "common/base.h"
#include "common/bug.h"

#include <string.h>

const struct planted planted_bugs[] = {
    {"ack_before_commit", "all", 1500},
    {"ack_double_early", "all", 1500},
    {"ack_wrong_seq", "all", 1500},
    {"no_salvage", "all", 1500},
    {"replay_forgets_deaths", "all", 1500},
    {"accept_duplicates", "all", 1500},
    {"cut_off_by_one", "all", 1500},
    {"half_lost", "all", 1500},
    {"loss_counted_twice", "all", 1500},
    {"neighbours_guilty", "all", 1500},
    {"losses_close", "all", 1500},
    {"cut_off_is_dead", "net", 6000},
    {"over_credit", "all", 1500},
    {"retry_never_due", "all", 1500},
    {"doubtful_not_republished", "all", 1500},
    {"link_down_ignored", "all", 1500},
    {"segment_gone_early", "all", 1500},
    {"commit_without_sync", "all", 1500},
    {"adopt_without_sync", "all", 1500},
    {"no_checksum", "all", 1500},
    {"lost_not_sent", "all", 1500},
    {"kept_results_lost", "all", 1500},
    {"returned_not_passed_on", "all", 1500},
    {"empty_batches_stay", "all", 1500},
    {"results_dropped_on_welcome", "all", 1500},
    {"no_owner_drops", "all", 1500},
    {"spill_loss_untold", "all", 1500},
    {"two_suspects", "calm", 1500},
    {"death_not_journaled", "all", 1500},
    {"dedup_on_arrival", "all", 1500},
    {"sealed_texts_forgotten", "all", 1500},
    /* of several brokers and machines */
    {"silent_lives", "all", 1500},
    {"grants_survive_welcome", "net", 1500},
    /* fences: what an earlier owner or greeting says */
    {"stale_owner_served", "all", 1500},
    {"stale_owner_attaches", "all", 1500},
    {"old_welcome_taken", "net", 1500},
    /* credit that was asked back */
    {"reclaimed_used", "all", 1500},
    {"reclaimed_line_used", "all", 1500},
    /* a Redis that forgot the last second */
    {"rollback_believed", "all", 1500},
    {"claim_left_to_redis", "all", 1500},
    /* calls that cost money */
    {"intent_not_awaited", "paid", 1000},
    {"lost_call_repeated", "paid", 1000},
    {"lost_result_is_unrun", "paid", 1000},
    {"unknown_released", "paid", 1000},
    {"call_price_forgotten", "paid", 1000},
    {"cap_off_by_one", "paid", 1000},
    {"answer_used_early", "paid", 1000},
    {"late_settled_twice", "paid", 1000},
    {"replay_forgets_notes", "paid", 1000},
    /* several writers */
    {"arm_of_the_try", "writers", 500},
    {"first_writers_price", "writers", 500},
    {"fallbacks_unnamed", "writers", 500},
    {"replay_forgets_writers", "writers", 500},
    {"built_before_commit", "writers", 500},
    {"degraded_counted_twice", "writers", 500},
    /* batches */
    {"unsure_is_unmade", "batches", 500},
    {"not_listed_is_unmade", "batches", 500},
    {"new_life_submits", "batches", 500},
    {"expired_stays_charged", "batches", 500},
    {"missing_lines_are_free", "batches", 500},
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

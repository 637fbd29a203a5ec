/* purse_script.c - see purse_script.h.
 *
 * caps:total   id epoch seq state why since · run was vouched aof at ·
 *                day (last opened) · cap_day cap_total · granted lost ·
 *                job.ID = "epoch owner request have"
 * caps:DAY     epoch granted lost opt_day opt_total · job.ID = "epoch have"
 * caps:members ID = "seq seen, ms of its last question"
 *
 * A share of another epoch counts as none: after a witness spoke, all that was
 * granted is `lost` to those who do not claim their part of it. */
#include "coordinator/purse_script.h"

#include "common/hash.h"
#include "common/redis.h"
#include "job/budget.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char purse_script_turn[] =
    "local T, D, M = KEYS[1], KEYS[2], KEYS[3]\n"
    "local function n(i) return tonumber(ARGV[i]) end\n"
    "local function int(v) return string.format('%.0f', v) end\n"
    "local function get(k, f) return redis.call('hget', k, f) end\n"
    "local function num(k, f) return tonumber(get(k, f) or '0') end\n"
    "local function put(k, ...)\n"
    "  local a = {...}\n"
    "  for i = 2, #a, 2 do\n"
    "    if type(a[i]) == 'number' then a[i] = int(a[i]) end\n"
    "  end\n"
    "  redis.call('hset', k, unpack(a))\n"
    "end\n"
    "local job, asked, ledger, leaving = 'job.' .. ARGV[1], n(4), ARGV[10], "
    "n(18) == 1\n"
    "local time = redis.call('time')\n"
    "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
    "local today = math.floor(time[1] / 86400)\n"
    "local info = redis.call('info', 'server') .. redis.call('info', "
    "'persistence')\n"
    "local run = string.match(info, 'run_id:(%x+)')\n"
    "local up = tonumber(string.match(info, 'uptime_in_seconds:(%-?%d+)')) * "
    "1000\n"
    "local function says(text) return string.find(info, text, 1, true) end\n"
    "local state, why = get(T, 'state'), get(T, 'why')\n"
    "local function no(what)\n"
    "  return {what, run, '0', 0, 0, 0, today, now, 0, 0, 0, 0, -1, -1}\n"
    "end\n"
    "if not state then return no('none') end\n"
    "local id, epoch, seq = get(T, 'id'), num(T, 'epoch'), num(T, 'seq')\n"
    "local e, o, r, own = string.match(get(T, job) or '', '^(%d+) (%d+) (%d+) "
    "(%d+)$')\n"
    "if o and (tonumber(o) > n(2) or (tonumber(o) == n(2) and tonumber(r) >= "
    "n(3))) then\n"
    "  return no('stale')\n"
    "end\n"
    "own = tonumber(e) == epoch and tonumber(own) or nil\n"
    "local function open_day(day, sum)\n"
    "  redis.call('del', D)\n"
    "  put(D, 'epoch', epoch, 'granted', sum, 'lost', sum)\n"
    "  redis.call('expire', D, ARGV[22])\n"
    "  put(T, 'day', day)\n"
    "end\n"
    "local aof = says('aof_enabled:1') and says('aof_last_write_status:ok') "
    "and\n"
    "            (get(T, 'aof') == '1' or (says('aof_rewrite_in_progress:0') "
    "and\n"
    "                                      says('aof_rewrite_scheduled:0')))\n"
    "if get(T, 'run') ~= run then\n"
    "  local vouched = aof and get(T, 'aof') == '1' and\n"
    "                  now - up + 2000 >= num(T, 'at') and\n"
    "                  (state == 'open' or get(T, 'vouched') == '1')\n"
    "  if state == 'open' then put(T, 'was', get(T, 'run')) end\n"
    "  if state ~= 'closed' then state, why = 'unsure', 'restart' end\n"
    "  put(T, 'run', run, 'vouched', vouched and 1 or 0, 'since', now)\n"
    "  redis.call('del', M)\n"
    "end\n"
    "if ledger > id or (ledger == id and n(11) > seq) then\n"
    "  put(T, 'vouched', 0)\n"
    "  if state == 'open' then state, why = 'closed', 'behind' end\n"
    "end\n"
    "if state == 'unsure' and ledger == id and ARGV[12] ~= '' and\n"
    "   ARGV[12] == get(T, 'was') and asked == today and n(14) <= today then\n"
    "  local gap = n(17) - up + 1000\n"
    "  if gap >= 0 and gap < n(20) then\n"
    "    epoch, own, state, why = epoch + 1, nil, 'open', 'witness'\n"
    "    seq = math.max(seq, n(13)) + 1000000\n"
    "    put(T, 'epoch', epoch, 'granted', n(16), 'lost', n(16), 'day', "
    "n(14))\n"
    "    if n(14) == today then open_day(today, n(15)) end\n"
    "  end\n"
    "end\n"
    "if state == 'unsure' and get(T, 'vouched') == '1' then\n"
    "  if now < num(T, 'since') then put(T, 'since', now) end\n"
    "  if now - num(T, 'since') >= n(21) then state, why = 'open', 'vouched' "
    "end\n"
    "end\n"
    "if state == 'open' and asked == today and num(D, 'epoch') ~= epoch then\n"
    "  if today > num(T, 'day') then\n"
    "    open_day(today, 0)\n"
    "  else\n"
    "    state, why = 'closed', 'day'\n"
    "  end\n"
    "end\n"
    "local function settle(k, had, claim)\n"
    "  local granted, lost = num(k, 'granted'), num(k, 'lost')\n"
    "  if had then return granted - had + claim, lost end\n"
    "  local known = math.min(lost, claim)\n"
    "  return granted + claim - known, lost - known\n"
    "end\n"
    "local function cap(name, mine, counted)\n"
    "  local low = tonumber(get(T, 'cap_' .. name) or '')\n"
    "  local given = counted and tonumber(get(D, 'opt_' .. name) or '') or "
    "nil\n"
    "  if mine >= 0 and not (given and given <= mine) then\n"
    "    if counted then put(D, 'opt_' .. name, mine) end\n"
    "    given = mine\n"
    "  end\n"
    "  if given and not (low and low <= given) then low = given end\n"
    "  return low or -1\n"
    "end\n"
    "local counted = num(D, 'epoch') == epoch\n"
    "local cap_day = cap('day', n(8), counted)\n"
    "local cap_total = cap('total', n(9), counted)\n"
    "local sum_day, lost_day, own_day = 0, 0, nil\n"
    "if counted then\n"
    "  local de, dh = string.match(get(D, job) or '', '^(%d+) (%d+)$')\n"
    "  if tonumber(de) == epoch then own_day = tonumber(dh) end\n"
    "  sum_day, lost_day = settle(D, own_day, n(5))\n"
    "end\n"
    "local sum, lost = settle(T, own, n(6))\n"
    "local extra = 0\n"
    "if state == 'open' and asked == today and not leaving then\n"
    "  extra = n(7)\n"
    "  if cap_day >= 0 then extra = math.min(extra, cap_day - sum_day) end\n"
    "  if cap_total >= 0 then extra = math.min(extra, cap_total - sum) end\n"
    "  extra = math.max(extra, 0)\n"
    "end\n"
    "local have_day, have = n(5) + extra, n(6) + extra\n"
    "if own ~= have or (counted and own_day ~= have_day) then seq = seq + 1 "
    "end\n"
    "sum, sum_day = sum + extra, sum_day + extra\n"
    "put(T, job, int(epoch) .. ' ' .. int(n(2)) .. ' ' .. int(n(3)) .. ' ' .. "
    "int(have),\n"
    "    'granted', sum, 'lost', lost, 'seq', seq, 'state', state, 'why', "
    "why)\n"
    "if state == 'open' then put(T, 'at', now, 'aof', aof and 1 or 0) end\n"
    "if counted then\n"
    "  put(D, job, int(epoch) .. ' ' .. int(have_day), 'granted', sum_day, "
    "'lost', lost_day)\n"
    "end\n"
    "if leaving then\n"
    "  redis.call('hdel', M, ARGV[1])\n"
    "else\n"
    "  local seen = ledger == id and ARGV[12] == run and n(13) or 0\n"
    "  put(M, ARGV[1], int(seen) .. ' ' .. int(now))\n"
    "end\n"
    "local least, all = seq, redis.call('hgetall', M)\n"
    "for i = 1, #all, 2 do\n"
    "  local seen, at = string.match(all[i + 1], '^(%d+) (%d+)$')\n"
    "  if tonumber(at) > now then\n"
    "    at = now\n"
    "    put(M, all[i], seen .. ' ' .. int(now))\n"
    "  end\n"
    "  if now - tonumber(at) > n(19) then\n"
    "    redis.call('hdel', M, all[i])\n"
    "  else\n"
    "    least = math.min(least, tonumber(seen))\n"
    "  end\n"
    "end\n"
    "return {state, run, id, epoch, seq, least, today, now, have_day, have,\n"
    "        sum_day, sum, cap_day, cap_total}\n";

/* ---- asking ---- */

static void
add(struct purse_script *s, const char *text)
{
    co_assert(s->argc < PURSE_SCRIPT_ARGS);
    s->argv[s->argc++] = text;
}

static void
add_number(struct purse_script *s, int64_t value)
{
    char *text = s->texts[s->argc];

    (void)snprintf(text, sizeof s->texts[0], "%" PRId64, value);
    add(s, text);
}

static void
add_hex(struct purse_script *s, uint64_t value)
{
    add(s, co_hex16(value, s->texts[s->argc]));
}

static void
add_key(struct purse_script *s, unsigned i, const char *name_space,
        const char *id)
{
    add(s, co_key(CO_KEY_CAPS, name_space, id, s->keys[i]));
}

static void
add_view(struct purse_script *s, const struct purse_view *view)
{
    char *run = s->texts[s->argc];

    (void)snprintf(run, sizeof s->texts[0], "%s", view->run);
    add(s, run);
    add_number(s, (int64_t)view->seq);
    add_number(s, view->day);
    add_number(s, view->granted_day);
    add_number(s, view->granted_total);
}

void
purse_script_make(const struct purse_ask *ask,
                  const struct purse_options *options, const char *name_space,
                  uint64_t job, struct purse_script *ret)
{
    char day[BUDGET_DAY_BYTES];

    ret->argc = 0;
    add(ret, "EVAL");
    add(ret, purse_script_turn);
    add(ret, "3");
    add_key(ret, 0, name_space, BUDGET_TOTAL);
    add_key(ret, 1, name_space, budget_day_text(ask->day, day));
    add_key(ret, 2, name_space, BUDGET_MEMBERS);
    add_hex(ret, job);
    add_number(ret, options->owner);
    add_number(ret, ask->request);
    add_number(ret, ask->day);
    add_number(ret, ask->claim_day);
    add_number(ret, ask->claim_total);
    add_number(ret, ask->extra);
    add_number(ret, options->cap_day);
    add_number(ret, options->cap_total);
    add_hex(ret, ask->ledger);
    add_number(ret, (int64_t)ask->seq);
    add_view(ret, &ask->view);
    add_number(ret, ask->lag_ms);
    add_number(ret, ask->leaving);
    add_number(ret, PURSE_SCRIPT_MEMBER_MS);
    add_number(ret, PURSE_SCRIPT_WITNESS_MS);
    add_number(ret, PURSE_SCRIPT_SETTLE_MS);
    add_number(ret, BUDGET_DAY_TTL_S);
}

/* ---- reading ---- */

enum {
    AT_STATE,
    AT_RUN,
    AT_ID,
    AT_EPOCH, /* numbers from here on */
    AT_SEQ,
    AT_LEAST,
    AT_TODAY,
    AT_NOW,
    AT_HAVE_DAY,
    AT_HAVE,
    AT_SUM_DAY,
    AT_SUM,
    AT_CAP_DAY,
    AT_CAP,
    AT_COUNT
};

static bool
read_state(const char *text, enum purse_ledger *ret)
{
    static const char *const names[] = {[PURSE_LEDGER_NONE] = "none",
                                        [PURSE_LEDGER_OPEN] = "open",
                                        [PURSE_LEDGER_UNSURE] = "unsure",
                                        [PURSE_LEDGER_CLOSED] = "closed",
                                        [PURSE_LEDGER_STALE] = "stale"};

    for (size_t i = 0; i < co_countof(names); i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *ret = (enum purse_ledger)i;
        return true;
    }
    return false;
}

/* Least that a number of the answer may be, so that none wraps. */
static bool
in_form(const struct co_redis_reply *r)
{
    if (r->type != CO_REDIS_ARRAY || r->count != AT_COUNT) return false;
    for (size_t i = 0; i < AT_COUNT; i++) {
        const struct co_redis_reply *e = &r->elements[i];

        if (i < AT_EPOCH && e->type != CO_REDIS_TEXT) return false;
        if (i >= AT_EPOCH && e->type != CO_REDIS_INT) return false;
        if (i >= AT_EPOCH && e->integer < (i >= AT_CAP_DAY ? -1 : 0)) {
            return false;
        }
    }
    return r->elements[AT_RUN].len < PURSE_RUN_BYTES &&
           r->elements[AT_TODAY].integer <= UINT32_MAX;
}

enum co_err
purse_script_read(const struct co_redis_reply *reply, struct purse_answer *ret)
{
    const struct co_redis_reply *e = reply->elements;
    struct purse_answer a = {.state = PURSE_LEDGER_NONE};

    if (!in_form(reply) || !read_state(e[AT_STATE].text, &a.state)) {
        return CO_PROTOCOL;
    }
    if (a.state != PURSE_LEDGER_NONE && a.state != PURSE_LEDGER_STALE &&
        !co_hex16_parse(e[AT_ID].text, &a.ledger)) {
        return CO_PROTOCOL;
    }
    (void)snprintf(a.run, sizeof a.run, "%s", e[AT_RUN].text);
    a.epoch = (uint64_t)e[AT_EPOCH].integer;
    a.seq = (uint64_t)e[AT_SEQ].integer;
    a.least = (uint64_t)e[AT_LEAST].integer;
    a.today = (uint32_t)e[AT_TODAY].integer;
    a.now_ms = e[AT_NOW].integer;
    a.have_day = e[AT_HAVE_DAY].integer;
    a.have_total = e[AT_HAVE].integer;
    a.granted_day = e[AT_SUM_DAY].integer;
    a.granted_total = e[AT_SUM].integer;
    a.cap_day = e[AT_CAP_DAY].integer;
    a.cap_total = e[AT_CAP].integer;
    *ret = a;
    return CO_OK;
}

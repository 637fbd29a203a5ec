/* budget.c - see budget.h. */
#include "job/budget.h"

#include "common/decimal.h"

#include <stdio.h>

enum { DECIMALS = 6, WHOLE_MAX = 7 };

const char *
budget_day_text(uint32_t day, char text[BUDGET_DAY_BYTES])
{
    /* Days of years that begin in March, from 0000-03-01 on: the odd day of a
     * leap year is then the last, and an era of 400 years always as long. */
    uint64_t z = (uint64_t)day + 719468;
    uint64_t era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint64_t mp = (5 * doy + 2) / 153, month = mp < 10 ? mp + 3 : mp - 9;
    uint64_t year = yoe + era * 400 + (month <= 2);

    (void)snprintf(text, BUDGET_DAY_BYTES, "%04u%02u%02u",
                   (unsigned)(year % 10000), (unsigned)(month % 100),
                   (unsigned)((doy - (153 * mp + 2) / 5 + 1) % 100));
    return text;
}

enum co_err
budget_parse(const char *text, int64_t *ret_micro, struct co_diag *diag)
{
    int64_t n;

    if (!co_decimal_read(text, WHOLE_MAX, DECIMALS, &n) ||
        n > BUDGET_MAX_MICRO) {
        return co_fail(diag, CO_USAGE,
                       "found \"%.40s\"; allowed is USD with at most %d "
                       "decimals, such as 12.50, up to 9000000",
                       text, DECIMALS);
    }
    *ret_micro = n;
    return CO_OK;
}

const char budget_script_set[] =
    "local T, D = KEYS[1], KEYS[2]\n"
    "local there = redis.call('hget', T, 'state')\n"
    "if not there and ARGV[3] == '' then return 0 end\n"
    "if not there then\n"
    "  local info = redis.call('info', 'server')\n"
    "  redis.call('hset', T, 'id', ARGV[3], 'epoch', '1', 'seq', '0', 'state', "
    "'open',\n"
    "             'why', 'new', 'run', string.match(info, 'run_id:(%x+)'),\n"
    "             'granted', '0', 'lost', '0', 'day', '0')\n"
    "end\n"
    "for i, name in ipairs({'cap_day', 'cap_total'}) do\n"
    "  if ARGV[i] == 'none' then redis.call('hdel', T, name) end\n"
    "  if ARGV[i] ~= 'none' and ARGV[i] ~= '' then redis.call('hset', T, name, "
    "ARGV[i]) end\n"
    "end\n"
    "redis.call('hdel', D, 'opt_day', 'opt_total')\n"
    "if there and ARGV[3] ~= '' then return 2 end\n"
    "return 1\n";

const char budget_script_close[] =
    "local T, D, M = KEYS[1], KEYS[2], KEYS[3]\n"
    "local time = redis.call('time')\n"
    "local day = math.floor(time[1] / 86400)\n"
    "if day ~= tonumber(ARGV[2]) then return day end\n"
    "local info = redis.call('info', 'server')\n"
    "local epoch = string.format('%.0f', tonumber(redis.call('hget', T, "
    "'epoch') or '0') + 1)\n"
    "redis.call('hset', T, 'id', ARGV[1], 'epoch', epoch, 'seq', '0', 'state', "
    "'closed',\n"
    "           'why', 'rebuild', 'run', string.match(info, 'run_id:(%x+)'), "
    "'was', '',\n"
    "           'vouched', '0', 'granted', '0', 'lost', '0',\n"
    "           'day', string.format('%.0f', day))\n"
    "redis.call('del', D, M)\n"
    "redis.call('hset', D, 'epoch', epoch, 'granted', '0', 'lost', '0')\n"
    "redis.call('expire', D, ARGV[3])\n"
    "return day\n";

const char budget_script_rebuild[] =
    "local T, D = KEYS[1], KEYS[2]\n"
    "local function int(v) return string.format('%.0f', v) end\n"
    "local function num(k, f) return tonumber(redis.call('hget', k, f) or '0') "
    "end\n"
    "local epoch = redis.call('hget', T, 'epoch')\n"
    "local time = redis.call('time')\n"
    "if redis.call('hget', T, 'id') ~= ARGV[1] or\n"
    "   redis.call('hget', D, 'epoch') ~= epoch or\n"
    "   math.floor(time[1] / 86400) ~= tonumber(ARGV[2]) then\n"
    "  return 0\n"
    "end\n"
    "local function raise(k, job, lead, had, have)\n"
    "  if had and had >= have then return end\n"
    "  redis.call('hset', k, job, lead .. int(have),\n"
    "             'granted', int(num(k, 'granted') + have - (had or 0)))\n"
    "end\n"
    "for i = 4, #ARGV, 3 do\n"
    "  local job = 'job.' .. ARGV[i]\n"
    "  local e, o, r, had = string.match(redis.call('hget', T, job) or '',\n"
    "                                    '^(%d+) (%d+) (%d+) (%d+)$')\n"
    "  if e ~= epoch then o, r, had = '0', '0', nil end\n"
    "  raise(T, job, epoch .. ' ' .. o .. ' ' .. r .. ' ', tonumber(had),\n"
    "        tonumber(ARGV[i + 1]))\n"
    "  e, had = string.match(redis.call('hget', D, job) or '', '^(%d+) "
    "(%d+)$')\n"
    "  if e ~= epoch then had = nil end\n"
    "  raise(D, job, epoch .. ' ', tonumber(had), tonumber(ARGV[i + 2]))\n"
    "end\n"
    "if ARGV[3] == 'last' then\n"
    "  redis.call('hset', T, 'state', 'unsure', 'vouched', '1',\n"
    "             'since', int(time[1] * 1000 + math.floor(time[2] / 1000)))\n"
    "end\n"
    "return 1\n";

/* scale_script.c - see scale_script.h. Only commands that the user of Redis
 * has been granted anyway (docs/operations.md): scripts are checked like
 * clients. */
#include "coordinator/scale_script.h"

const char scale_script_keep[] =
    "local holder = redis.call('get', KEYS[1])\n"
    "if holder == ARGV[1] then redis.call('pexpire', KEYS[1], ARGV[2]) end\n"
    "return holder\n";

/* A Redis that was emptied counts from 1 again: what the one who asks has seen
 * is the least that the number must exceed. %.0f: Lua would write large
 * numbers with an exponent. */
const char scale_script_claim[] =
    "if redis.call('get', KEYS[1]) then return 0 end\n"
    "local number = redis.call('incr', KEYS[2])\n"
    "local seen = tonumber(ARGV[1])\n"
    "if number <= seen then\n"
    "  number = seen + 1\n"
    "  redis.call('set', KEYS[2], string.format('%.0f', number))\n"
    "end\n"
    "redis.call('set', KEYS[1], string.format('%.0f', number) .. ' ' .. "
    "ARGV[2], 'PX', ARGV[3])\n"
    "return number\n";

/* SADD in pieces: Lua's stack does not take ten thousand arguments. */
const char scale_script_write[] =
    "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end\n"
    "local count = tonumber(ARGV[3])\n"
    "redis.call('del', KEYS[2], KEYS[3])\n"
    "if count > 0 then\n"
    "  redis.call('hset', KEYS[2], unpack(ARGV, 4, 3 + count))\n"
    "  local members = {}\n"
    "  for i = 1, tonumber(ARGV[2]) do\n"
    "    members[#members + 1] = string.format('%d', i)\n"
    "    if #members == 500 then\n"
    "      redis.call('sadd', KEYS[3], unpack(members))\n"
    "      members = {}\n"
    "    end\n"
    "  end\n"
    "  if #members > 0 then redis.call('sadd', KEYS[3], unpack(members)) end\n"
    "end\n"
    "if #ARGV > 3 + count then\n"
    "  redis.call('xadd', KEYS[4], 'MAXLEN', '~', ARGV[4 + count], '*',\n"
    "             unpack(ARGV, 5 + count))\n"
    "end\n"
    "return 1\n";

const char scale_script_release[] =
    "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end\n"
    "redis.call('del', KEYS[1])\n"
    "return 1\n";

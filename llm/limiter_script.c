/* limiter_script.c - the exchange as Redis does it, in one step and by its own
 * clock; function by function the same as limiter_bank.c, against which it is
 * tested. Numbers are doubles in both: all but the charges of silent workers
 * are whole, and far below 2^53.
 *
 * What is only told to people (calls, refusals, errors, latency) the model
 * leaves out. What is for the eyes of others stands in fields of its own
 * (docs/redis-keys.md); the charges of 66 seconds are one packed field, which
 * is a fifth of the time that 132 fields take. A member is a field w:ID:
 * "HEARD SHARE HELD NEED". */
#include "llm/limiter_exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// clang-format off
#define X(name, meaning) "'" #name "',"
const char limiter_script[] =
    "local A, S, key, id = {}, {}, KEYS[1], ARGV[1]\n"
    "local asked = {" LIMITER_ASK_LIST(X) "}\n"
    "for i = 1, #asked do A[asked[i]] = tonumber(ARGV[5 + i]) end\n"
    "local min, max, floor, ceil = math.min, math.max, math.floor, math.ceil\n"
    "local fields = {'epoch', 'at', 'scan', 'slot', 'born', 'hold_until',\n"
    "  'ceiling', 'best', 'grown', 'dropped', 'breaker', 'failures',\n"
    "  'open_until', 'probe_until', 'workers', 'shares', 'held', 'active',\n"
    "  'starved', 'silent', 'claims', 'calls', 'refusals', 'errors',\n"
    "  'latency_us'}\n"
    "local t = redis.call('time')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local got = redis.call('hmget', key, 'run', 'prober', 'ring', 'w:' .. id,\n"
    "  unpack(fields))\n"
    "for i = 1, #fields do S[fields[i]] = tonumber(got[4 + i] or 0) end\n"
    "local run, prober, mine = got[1], got[2] or '', got[4]\n"
    "local slot = floor(now / 1000000)\n"
    "local R, T = {}, {}\n"
    "local function empty()\n"
    "  for i = 1, 66 do R[i] = 0; T[i] = 0 end\n"
    "end\n"
    /* another Redis, a step back, or simply later */
    "if got[3] and run == ARGV[2] then\n"
    "  local ring = cmsgpack.unpack(got[3])\n"
    "  R, T = ring[1], ring[2]\n"
    "else\n"
    "  local all = redis.call('hgetall', key)\n"
    "  for i = 1, #all, 2 do\n"
    "    if all[i]:sub(1, 2) == 'w:' then redis.call('hdel', key, all[i]) end\n"
    "  end\n"
    "  S.epoch = run and S.epoch + 1 or now\n"
    "  S.claims = run and 0 or -1\n"
    "  S.at, S.born, S.slot, S.scan, mine = now, now, slot, 0, false\n"
    "  S.workers, S.shares, S.held, S.active = 0, 0, 0, 0\n"
    "  S.starved, S.silent = 0, 0\n"
    "  empty()\n"
    "end\n"
    "S.hold_until = min(S.hold_until, now + 86400000000)\n"
    "S.open_until = min(S.open_until, now + 60000000)\n"
    "S.probe_until = min(S.probe_until, now + 5000000)\n"
    "S.dropped = min(S.dropped, now)\n"
    "S.at = min(S.at, now)\n"
    "S.scan = min(S.scan, now)\n"
    "S.born = min(S.born, now)\n"
    "if slot < S.slot then\n"
    "  local oldR, oldT, old = R, T, S.slot\n"
    "  R, T = {}, {}\n"
    "  for k = 0, 65 do\n"
    "    local to, from = (slot - k) % 66 + 1, (old - k) % 66 + 1\n"
    "    R[to], T[to] = oldR[from], oldT[from]\n"
    "  end\n"
    "  S.epoch = S.epoch + 1\n"
    "  S.scan = 0\n"
    "else\n"
    "  for s = max(S.slot + 1, slot - 65), slot do\n"
    "    R[s % 66 + 1] = 0; T[s % 66 + 1] = 0\n"
    "  end\n"
    "end\n"
    "S.slot = slot\n"
    "local at = slot % 66 + 1\n"
    /* members */
    "local function member(text)\n"
    "  local h, s, p, n = text:match('(%S+) (%S+) (%S+) (%S+)')\n"
    "  return {heard = tonumber(h), share = tonumber(s), held = tonumber(p),\n"
    "          need = tonumber(n)}\n"
    "end\n"
    "local function put(field, m)\n"
    "  redis.call('hset', key, field, string.format('%.0f %.0f %.0f %.0f',\n"
    "    m.heard, m.share, m.held, m.need))\n"
    "end\n"
    "local function fair() return max(floor(S.ceiling / max(S.active, 1)), 1) end\n"
    "local m = mine and member(mine)\n"
    "if not m then\n"
    "  if A.claim_ppm > 0 then S.claims = max(S.claims, 0) + A.claim_ppm end\n"
    "  if S.workers < 4096 then\n"
    "    m = {heard = now, share = 0, held = 0, need = 0}\n"
    "    S.workers = S.workers + 1\n"
    "  end\n"
    "end\n"
    "if m and A.heard_us > 0 then m.heard = min(A.heard_us, now) end\n"
    "if m and now - m.heard > 62000000 then\n"
    "  S.shares = S.shares - m.share\n"
    "  m.heard, m.share = now, 0\n"
    "end\n"
    "if now - S.scan >= 1000000 then\n"
    "  S.scan = now\n"
    "  if m then put('w:' .. id, m) end\n"
    "  S.workers, S.shares, S.held, S.active = 0, 0, 0, 0\n"
    "  S.starved, S.silent = 0, 0\n"
    "  local all, live = redis.call('hgetall', key), {}\n"
    "  for i = 1, #all, 2 do\n"
    "    if all[i]:sub(1, 2) == 'w:' then\n"
    "      local o = member(all[i + 1])\n"
    "      if o.heard > now then\n"
    "        o.heard = now\n"
    "        put(all[i], o)\n"
    "      end\n"
    "      if now - o.heard > 62000000 then\n"
    "        redis.call('hdel', key, all[i])\n"
    "      else\n"
    "        S.shares = S.shares + o.share\n"
    "        S.held = S.held + o.held\n"
    "        if now - o.heard > 2000000 then\n"
    "          S.silent = S.silent + o.share\n"
    "        else\n"
    "          S.workers = S.workers + 1\n"
    "          if o.need > 0 then S.active = S.active + 1 end\n"
    "          live[#live + 1] = o\n"
    "        end\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "  local part = fair()\n"
    "  for _, o in ipairs(live) do\n"
    "    if o.held < min(o.need, part) then S.starved = S.starved + 1 end\n"
    "  end\n"
    "  redis.call('zadd', KEYS[2], floor(now / 1000), ARGV[3])\n"
    "  redis.call('zremrangebyscore', KEYS[2], '-inf', floor(now / 1000) - 3600000)\n"
    "end\n"
    /* what is a limit's */
    "local function burst(limit, call)\n"
    "  local b = max(floor(limit / 16), call, 1)\n"
    "  return min(b, limit)\n"
    "end\n"
    "local bR, bT = burst(A.rpm, 1), burst(A.tpm, A.call_tokens)\n"
    "local function alone(limit, b, dt) return (limit - b) / 65000000 * dt end\n"
    "local function level(C, limit, b)\n"
    "  local rate, sum, best = (limit - b) / 65250000, 0, b\n"
    "  for k = 0, 65 do\n"
    "    local s = slot - k\n"
    "    sum = sum + C[s % 66 + 1]\n"
    "    local length = now - (s + 1) * 1000000\n"
    "    if length < 0 then length = 0 end\n"
    "    local left = b + rate * length - sum\n"
    "    if left < best then best = left end\n"
    "  end\n"
    "  if now - S.born < 66000000 then\n"
    "    local left = rate * (now - S.born) - sum\n"
    "    if left < best then best = left end\n"
    "  end\n"
    "  return best\n"
    "end\n"
    /* shares of those that are not heard */
    "local unknown, young = 0, now - S.born < 62000000\n"
    "if S.claims >= 0 and young then\n"
    "  unknown = max(1000000 - S.claims, 0)\n"
    "end\n"
    "local dt = min(now - S.at, 66000000)\n"
    "local part = (S.silent + unknown) / 1000000\n"
    "S.at = now\n"
    "if part > 0 and dt > 0 then\n"
    "  if part > 1 then part = 1 end\n"
    "  R[at] = R[at] + alone(A.rpm, bR, dt) * part\n"
    "  T[at] = T[at] + alone(A.tpm, bT, dt) * part\n"
    "end\n"
    /* settlements */
    "if A.epoch == S.epoch then\n"
    "  for i = 6 + #asked, #ARGV - 2, 3 do\n"
    "    local s = tonumber(ARGV[i])\n"
    "    if s <= slot and s > slot - 66 then\n"
    "      local k = s % 66 + 1\n"
    "      R[k] = max(R[k] - tonumber(ARGV[i + 1]), 0)\n"
    "      T[k] = max(T[k] - tonumber(ARGV[i + 2]), 0)\n"
    "    end\n"
    "  end\n"
    "end\n"
    /* how the endpoint is */
    "if A.hold_ms > 0 then\n"
    "  S.hold_until = max(S.hold_until, now + min(A.hold_ms * 1000, 86400000000))\n"
    "end\n"
    "if S.ceiling <= 0 then S.ceiling = A.places > 0 and A.places or 64 end\n"
    "if A.limited_us >= 0 and now - A.limited_us > S.dropped then\n"
    "  S.best = S.ceiling\n"
    "  S.ceiling = max(floor(S.ceiling * 3 / 4), 1)\n"
    "  S.grown = 0\n"
    "  S.dropped = now\n"
    "end\n"
    "local function step()\n"
    "  if S.best == 0 then return 1 end\n"
    "  return S.ceiling >= S.best and 200 or 25\n"
    "end\n"
    "local most = A.places > 0 and A.places or 16384\n"
    "if S.best > 0 or S.held >= S.ceiling then\n"
    "  S.grown = S.grown + A.successes\n"
    "  while S.grown >= step() and S.ceiling < most do\n"
    "    S.grown = S.grown - step()\n"
    "    S.ceiling = S.ceiling + 1\n"
    "  end\n"
    "  if S.ceiling >= most then S.grown = 0 end\n"
    "end\n"
    "S.ceiling = min(S.ceiling, most)\n"
    /* for people: nothing is decided by it, and the model has none of it */
    "S.calls = S.calls + A.ended\n"
    "S.refusals = S.refusals + A.refusals\n"
    "S.errors = S.errors + A.errors\n"
    "if A.successes > 0 then\n"
    "  local part = S.latency_us > 0 and min(A.successes / 16, 1) or 1\n"
    "  S.latency_us = floor(S.latency_us +\n"
    "    (A.took_us / A.successes - S.latency_us) * part)\n"
    "end\n"
    /* the breaker: 0 closed, 1 open, 2 half-open */
    "local was, probing = S.breaker, false\n"
    "local function open(till)\n"
    "  S.breaker, S.open_until, S.failures, prober = 1, till, 0, ''\n"
    "end\n"
    "if S.breaker == 2 and prober == id then\n"
    "  if A.probe == 2 then S.breaker = 0; prober = ''\n"
    "  elseif A.probe == 3 then open(now + 60000000)\n"
    "  elseif A.probe == 4 then open(now)\n"
    "  elseif A.probe == 1 then S.probe_until = now + 5000000 end\n"
    "end\n"
    "if S.breaker == 0 then\n"
    "  S.failures = A.successes > 0 and A.tail or S.failures + A.failures\n"
    "  if S.failures >= max(5, floor(S.held / 8)) then open(now + 60000000) end\n"
    "elseif S.breaker == 2 and prober == id then\n"
    "  probing = true\n"
    "elseif now >= (S.breaker == 1 and S.open_until or S.probe_until) and\n"
    "    A.need > 0 and A.bye == 0 and S.hold_until <= now and A.probe ~= 4 then\n"
    "  S.breaker, prober, probing = 2, id, true\n"
    "  S.probe_until = now + 5000000\n"
    "end\n"
    /* shares, places, the block */
    "local allow, n, tokens, again = 0, 0, 0, 0\n"
    "if m and A.bye == 1 then\n"
    "  S.shares = S.shares - m.share\n"
    "  S.held = S.held - m.held\n"
    "  S.workers = max(S.workers - 1, 0)\n"
    "  redis.call('hdel', key, 'w:' .. id)\n"
    "elseif m then\n"
    "  local others = S.shares - m.share\n"
    "  m.share = max(min(floor(1000000 / max(S.workers, 1)),\n"
    "    (S.claims < 0 and young) and 0 or 1000000 - others - unknown), 0)\n"
    "  S.shares = others + m.share\n"
    "  local fairly = fair()\n"
    "  others = S.held - m.held\n"
    "  local starved = S.starved - (m.held < min(m.need, fairly) and 1 or 0)\n"
    "  allow = A.need\n"
    "  if starved > 0 then\n"
    "    local turn = fairly\n"
    "    if S.ceiling < S.active then\n"
    "      turn = m.held > A.in_flight and A.in_flight or max(A.in_flight, 1)\n"
    "    end\n"
    "    allow = min(allow, turn)\n"
    "  end\n"
    "  allow = max(min(allow, S.ceiling - others), 0)\n"
    "  m.need = A.need\n"
    "  m.held = max(allow, A.in_flight)\n"
    "  S.held = others + m.held\n"
    "  put('w:' .. id, m)\n"
    "  if A.want > 0 and (A.rpm > 0 or A.tpm > 0) and S.hold_until <= now and\n"
    "      (S.breaker == 0 or probing) then\n"
    "    local wait, active = 0, max(S.active, 1)\n"
    "    n = probing and 1 or A.want\n"
    "    if A.rpm > 0 then\n"
    "      local l = level(R, A.rpm, bR)\n"
    "      local most = floor(l)\n"
    "      n = min(n, max(floor(most / active), 1))\n"
    "      if most < 1 then n = 0; wait = (1 - l) / alone(A.rpm, bR, 1) end\n"
    "    end\n"
    "    if A.tpm > 0 then\n"
    "      local l = level(T, A.tpm, bT)\n"
    "      local most = floor(l)\n"
    "      tokens = min(A.want_tokens, max(floor(most / active), A.call_tokens), most)\n"
    "      if tokens < A.call_tokens then\n"
    "        n = 0\n"
    "        wait = max(wait, (A.call_tokens - l) / alone(A.tpm, bT, 1))\n"
    "      end\n"
    "    end\n"
    "    if n < 1 then\n"
    "      tokens = 0\n"
    "      if not (wait < 5000000) then wait = 5000000 end\n"
    "      again = max(ceil(wait / 1000), 1)\n"
    "    end\n"
    "    R[at] = R[at] + n\n"
    "    T[at] = T[at] + tokens\n"
    "  end\n"
    "end\n"
    /* what is kept, and said */
    "local function used(C)\n"
    "  local sum = 0\n"
    "  for k = 0, 59 do sum = sum + C[(slot - k) % 66 + 1] end\n"
    "  return ceil(sum)\n"
    "end\n"
    "local usedR = used(R)\n"
    "local set = {'run', ARGV[2], 'prober', prober, 'ring', cmsgpack.pack({R, T}),\n"
    "  'provider', ARGV[4], 'url', ARGV[5], 'rpm', A.rpm, 'tpm', A.tpm,\n"
    "  'requests_60s', usedR, 'tokens_60s', used(T)}\n"
    "for i = 1, #fields do\n"
    "  set[#set + 1] = fields[i]\n"
    "  set[#set + 1] = S[fields[i]]\n"
    "end\n"
    "redis.call('hset', key, unpack(set))\n"
    "redis.call('expire', key, 3600)\n"
    "return {now, S.epoch, slot, n, tokens, again,\n"
    "  S.hold_until > now and S.hold_until or 0, allow, S.ceiling, S.workers,\n"
    "  m and A.bye == 0 and m.share or 0, S.breaker, was,\n"
    "  S.breaker == 1 and S.open_until > now and\n"
    "    ceil((S.open_until - now) / 1000) or 0,\n"
    "  probing and 1 or 0, usedR, S.claims < 0 and young and 1 or 0}\n";
#undef X
// clang-format on

uint32_t
limiter_ask_numbers(const struct limiter_ask *ask,
                    char texts[LIMITER_NUMBERS_MAX][LIMITER_NUMBER_BYTES])
{
    uint32_t n = 0;

#define PUT(value)                                                             \
    (void)snprintf(texts[n++], LIMITER_NUMBER_BYTES, "%" PRId64, value)
#define X(name, meaning) PUT(ask->name);
    LIMITER_ASK_LIST(X)
#undef X
    for (uint32_t i = 0; i < ask->n_settles; i++) {
        PUT(ask->settles[i].slot);
        PUT(ask->settles[i].requests);
        PUT(ask->settles[i].tokens);
    }
#undef PUT
    return n;
}

bool
limiter_told_from(const int64_t *numbers, uint32_t n,
                  struct limiter_told *ret_told)
{
    if (n != LIMITER_TOLD_COUNT) return false;
#define X(name, meaning) ret_told->name = *numbers++;
    LIMITER_TOLD_LIST(X)
#undef X
    return true;
}

const char *
limiter_breaker_name(int64_t breaker)
{
    static const char *const words[LIMITER_BREAKERS] = {
#define X(name, word) word,
        LIMITER_BREAKER_LIST(X)
#undef X
    };

    return breaker >= 0 && breaker < LIMITER_BREAKERS ? words[breaker] : "?";
}

/* scale_script.h - the scaler's scripts for Redis. Whatever rests on holding
 * the lease asks for it and acts in one step there: between two commands of a
 * client another scaler may have taken over, within a script none can.
 *
 * They are sent whole (EVAL): 1 KB a second and service is nothing, and a
 * Redis that was restarted needs no second question (EVALSHA, NOSCRIPT).
 * Numbers that they return are CO_REDIS_INT. */
#pragma once

/* KEYS scaler · ARGV own value, TTL in ms. Prolongs the lease when it is one's
 * own. Returns its value, or nil. */
extern const char scale_script_keep[];
/* KEYS scaler, scaler:number · ARGV the highest number seen, id, TTL in ms.
 * Takes the lease when nobody has it, by a number above all before, which it
 * returns; else 0. The number only grows. */
extern const char scale_script_claim[];
/* KEYS scaler, scale:SERVICE, demand:SERVICE, events · ARGV own value, wish,
 * how many arguments follow for scale:SERVICE, those (field, value ...), then
 * nothing or the length of `events` and the fields of an event. Without any
 * for scale:SERVICE both keys are deleted. Returns 1, or 0: the lease is not
 * one's own, and nothing was changed. */
extern const char scale_script_write[];
/* KEYS scaler · ARGV own value. Gives the lease back when it is one's own;
 * returns 1, else 0. */
extern const char scale_script_release[];

"""Workers come and go with the work: scaler, supervisor, drains, KEDA's read."""
import re
import shutil
import signal
import unittest

import harness

NS = "cohort:{default}:"
SERVICE = "slow"  # 5 s a range, waiting: many fit on two cores
# What KEDA's redis scaler runs, in its form: the length of whatever the key is.
KEDA = """
local listName = KEYS[1]
local type = redis.call('type', listName).ok
local command = {zset = 'zcard', set = 'scard', list = 'llen', hash = 'hlen', stream = 'xlen'}
if command[type] then return redis.call(command[type], listName) end
return 0
"""


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


class Elastic(harness.SystemTest):
    def fields(self, key):
        flat = self.bench.redis_call("HGETALL", NS + key)
        return dict(zip(flat[::2], flat[1::2])) if isinstance(flat, list) else {}

    def scale(self, name=None):
        all_of_it = self.fields("scale:" + SERVICE)
        return all_of_it if name is None else all_of_it.get(name)

    def wish(self):
        return self.bench.redis_call("EVAL", KEDA, 1, NS + "demand:" + SERVICE)

    def workers(self):
        ids = self.bench.redis_call("ZRANGE", NS + "workers", 0, -1) or []
        return {i: h for i in ids if "state" in (h := self.fields("worker:" + i))}

    def brokers_count(self, name):
        ids = self.bench.redis_call("ZRANGE", NS + "brokers", 0, -1) or []
        return sum(int(self.fields("broker:" + i).get(name, 0)) for i in ids)

    def supervisor(self, processes, *args):
        return self.bench.worker("--processes", processes, "--services", SERVICE, "--log-level", "info", *args, name="supervisor")

    def coordinator(self, job, *args, name="coordinator"):
        return self.bench.coordinator(job, "--scale-quiet", "3s", "--log-level", "info", *args, name=name)

    def daemon(self, name, quiet="3s"):
        proc = self.bench.start(
            name,
            [f"{harness.BIN}/cohort-coordinator", "serve", "--listen", f"ipc://{self.bench.top}/{name}", "--out",
             self.bench.path(name + "-jobs"), "--broker", self.bench.front, "--scale-quiet", quiet, "--log-level", "info"]
            + self.bench.redis_args(),
            ready=True,
        )
        harness.wait_for("the daemon", lambda: proc.ready_line, alive=[proc])
        return proc

    def watch_until(self, what, done, timeline, seconds, alive):
        """Waits, and writes down each change of wish and workers."""

        def look():
            scale = self.scale()
            if scale:
                line = (int(scale["desired"]), int(scale["actual"]), scale["reason"])
                if not timeline or timeline[-1][:2] != line[:2]:
                    timeline.append(line)
            return done(scale)

        harness.wait_for(what, look, seconds, alive=alive)

    def test_one_worker_becomes_eight_and_one_again_while_a_job_runs(self):
        self.bench.redis()
        self.bench.broker()
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "max", 8)
        home = self.supervisor("1..8")
        daemon = self.daemon("daemon")
        job = self.coordinator(self.bench.job(14000, service=SERVICE, shard_rows=250))
        timeline = []
        self.watch_until("eight workers", lambda s: s and s["actual"] == "8", timeline, 60, [home, job, daemon])
        self.assertEqual(len(children(home.pid)), 8)
        code, out, err = self.bench.cohort("top", "--once", *self.bench.redis_args())
        self.assertRegex(out, rf"(?m)^{SERVICE} +\d+ +8 ", err)
        code = job.wait(120)
        self.assertEqual(code, 0, job.log())
        self.watch_until("one worker", lambda s: s and s["actual"] == "1" and len(children(home.pid)) == 1, timeline, 60,
                         [home, daemon])
        print("\n".join(f"    wished {d}, live {a}: {r}" for d, a, r in timeline))
        wishes = [line[0] for line in timeline]
        top = wishes.index(max(wishes))
        self.assertEqual(wishes[:top + 1], sorted(wishes[:top + 1]), "the wish went down on its way up")
        self.assertEqual(wishes[top:], sorted(wishes[top:], reverse=True), "the wish went up on its way down")
        for before, after in zip(timeline, timeline[1:]):
            self.assertLessEqual(after[0], max(1, 2 * max(before[1], after[1])), "more than doubled")
        # Nobody was killed over it: what ran ended well.
        for counter in ("lost_worker_dead", "lost_link", "lost_drain", "workers_dead"):
            self.assertEqual(self.brokers_count(counter), 0, counter)
        self.assertEqual(harness.Corpus(self.bench.path("out")).rows, 14000)
        self.assertEqual(home.code(), None)
        home.kill(signal.SIGTERM)
        self.assertEqual(home.wait(), 0)
        self.assertEqual(self.bench.redis_call("ZRANGE", NS + "supervisors", 0, -1), [])

    def test_a_busy_worker_that_has_to_go_ends_its_task_first(self):
        self.bench.redis()
        self.bench.broker()
        home = self.supervisor("1..4")
        job = self.coordinator(self.bench.job(100000, service=SERVICE, shard_rows=250))
        self.addCleanup(job.kill)
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "size", 3)
        all_busy = lambda: len(w := self.workers()) == 3 and all(h["in_flight"] == "1" for h in w.values())
        harness.wait_for("three busy workers", all_busy, 60, alive=[home, job])
        done = {i: int(h["done"]) for i, h in self.workers().items()}
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "size", 1)
        harness.wait_for("one worker", lambda: len(children(home.pid)) == 1, 60, alive=[home, job])
        self.assertIn("busy=1", home.log())
        results = harness.wait_for("results", lambda: self.brokers_count("results_out") >= sum(done.values()) + 2, alive=[job])
        self.assertTrue(results)
        for counter in ("lost_worker_dead", "lost_link", "lost_drain", "workers_dead"):
            self.assertEqual(self.brokers_count(counter), 0, counter)
        self.assertNotIn("worker.handing_back", home.log())

    def test_vertical_fills_the_slots_of_a_worker_and_memory_empties_them(self):
        self.bench.redis()
        self.bench.broker()
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "mode", "vertical")
        worker = self.bench.worker("--slots", "6", "--services", SERVICE, "--log-level", "info")
        job = self.coordinator(self.bench.job(100000, service=SERVICE, shard_rows=250))
        self.addCleanup(job.kill)
        mine = lambda name: int(next(iter(self.workers().values()), {}).get(name, 0))
        limits = lambda: [int(n) for n in re.findall(r"worker.slots from=\d+ to=(\d+)", worker.log())]
        uses = lambda n: mine("capacity") == n and mine("in_flight") == n
        # What began before the first limit was read ends first; then it climbs.
        harness.wait_for("all slots in use", lambda: 6 in limits() and uses(6), 120, alive=[worker, job])
        # The wish climbs by one a beat; a worker that reads late sees two of them as one.
        self.assertEqual(limits()[0], 1)
        self.assertEqual(limits(), sorted(set(limits())), "more and more")
        self.assertEqual(self.scale("mode"), "vertical")
        self.assertEqual(self.scale("in_flight_max"), "6")
        self.assertEqual(self.scale("desired"), "1")
        self.assertEqual(mine("slots_max"), 6)
        # Less memory than it has: halved until one is left, and nothing was killed.
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "memory_bytes", 1 << 20)
        harness.wait_for("one again", lambda: limits()[-1] == 1 and uses(1), 120, alive=[worker, job])
        self.assertEqual(mine("failed"), 0)
        # Another mode lifts the limit.
        self.bench.redis_call("DEL", NS + "pin:" + SERVICE)
        harness.wait_for("no limit", lambda: mine("capacity") == 6, alive=[worker, job])

    def test_a_mode_that_nobody_acts_on_is_refused_also_where_it_was_written_by_hand(self):
        self.bench.redis()
        daemon = self.daemon("daemon")
        self.bench.redis_call("ZADD", NS + "services", "99999999999999", SERVICE)
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "mode", "quality", "size", 2)
        harness.wait_for("the wish", lambda: self.wish() == 2, alive=[daemon])
        self.assertEqual(self.scale("mode"), "horizontal")
        self.assertIn("mode=quality uses=horizontal", daemon.log())

    def test_keda_reads_the_wish_and_reads_it_again_after_redis_lost_everything(self):
        self.bench.redis()
        daemon = self.daemon("daemon", quiet="10m")
        self.bench.redis_call("ZADD", NS + "services", "99999999999999", SERVICE)
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "size", 700)
        harness.wait_for("the wish", lambda: self.wish() == 700, alive=[daemon])
        self.assertEqual(self.scale("desired"), "700")
        self.assertEqual(self.scale("reason"), "set by hand")
        self.bench.redis_call("FLUSHALL")
        harness.wait_for("the wish, from the scaler's memory", lambda: self.wish() == 700, seconds=2, alive=[daemon])
        self.assertEqual(self.scale("desired"), "700")  # nobody said less for a whole quiet window
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "size", 2)
        harness.wait_for("the new wish", lambda: self.wish() == 2, alive=[daemon])
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "size", 0)
        harness.wait_for("no wish", lambda: self.wish() == 0, alive=[daemon])

    def test_a_wish_outlives_a_redis_that_was_killed(self):
        redis = self.bench.redis()
        daemon = self.daemon("daemon", quiet="10m")
        self.bench.redis_call("ZADD", NS + "services", "99999999999999", SERVICE)
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "size", 3)
        harness.wait_for("the wish", lambda: self.wish() == 3, alive=[daemon])
        redis.kill(signal.SIGKILL)
        redis.wait()
        shutil.rmtree(self.bench.path("redis"))  # nothing survives in it
        harness.wait_for("the loss", lambda: "scaler.redis_down" in daemon.log(), alive=[daemon])
        self.bench.redis()
        harness.wait_for("the wish again", lambda: self.wish() == 3, alive=[daemon])

    def test_a_frozen_scaler_is_replaced_and_steps_down_when_it_wakes(self):
        self.bench.redis()
        first = self.daemon("first")
        self.bench.redis_call("ZADD", NS + "services", "99999999999999", SERVICE)
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "size", 3)
        harness.wait_for("the wish", lambda: self.wish() == 3, alive=[first])
        second = self.daemon("second")
        first.kill(signal.SIGSTOP)
        self.addCleanup(first.kill, signal.SIGCONT)
        harness.wait_for("another holder", lambda: (self.scale("holder") or "").endswith(f"-{second.pid}"), alive=[second])
        number = self.scale("number")
        first.kill(signal.SIGCONT)
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "size", 5)
        harness.wait_for("a wish of the second", lambda: self.wish() == 5 and self.scale("number") == number, alive=[first, second])
        self.assertEqual(self.bench.redis_call("GET", NS + "scaler").split()[0], number)

    def test_a_scaler_that_ends_leaves_the_lease_of_another_alone(self):
        self.bench.redis()
        daemon = self.daemon("daemon")
        held = harness.wait_for("a holder", lambda: self.bench.redis_call("GET", NS + "scaler"), alive=[daemon])
        # It does not know yet: it would look within a second.
        self.bench.redis_call("SET", NS + "scaler", "99 another")
        daemon.kill(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)
        self.assertEqual(self.bench.redis_call("GET", NS + "scaler"), "99 another", f"was {held}")

    def test_of_two_coordinators_one_is_the_scaler_and_the_other_takes_over(self):
        self.bench.redis()
        daemons = [self.daemon("first")]
        holder = lambda: (self.bench.redis_call("GET", NS + "scaler") or "").split()
        first = harness.wait_for("a holder", holder, alive=daemons)
        daemons.append(self.daemon("second"))
        self.bench.redis_call("ZADD", NS + "services", "99999999999999", SERVICE)
        self.bench.redis_call("HSET", NS + "pin:" + SERVICE, "size", 3)
        harness.wait_for("the wish", lambda: self.wish() == 3, alive=daemons)
        self.assertTrue(first[1].endswith(f"-{daemons[0].pid}"), first)
        self.assertEqual(self.scale("number"), first[0])
        daemons[0].kill(signal.SIGKILL)
        second = harness.wait_for("another holder", lambda: (h := holder()) and h != first and h, alive=daemons[1:])
        self.assertTrue(second[1].endswith(f"-{daemons[1].pid}"), second)
        self.assertGreater(int(second[0]), int(first[0]))
        harness.wait_for("its number", lambda: self.scale("number") == second[0], alive=daemons[1:])
        self.assertEqual(self.wish(), 3)
        # A holder that ends in order gives the lease back at once.
        daemons[1].kill(signal.SIGTERM)
        self.assertEqual(daemons[1].wait(), 0)
        self.assertEqual(holder(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)

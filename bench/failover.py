#!/usr/bin/python3
"""failover.py [WORKERS] - how long the others take to go on after a kill.

A fleet of two brokers, two coordinators with a job each and WORKERS workers
(default 20), with the default liveness; service `slow`, so that it measures
waiting and not this machine's speed. One after the other is killed with
kill -9: a worker, a broker (which stays away), an owner (which its daemon
starts again). The times come from Redis alone:

  worker   until its tasks are counted lost, and as many handed out since
  broker   until the other broker has handed out more than before by what the
           dead one held
  owner    until its job has another owner number and more rows than before

COHORT_BUILD chooses the build (default build/release).
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/system"))
import harness  # noqa: E402
import test_fleet  # noqa: E402


def until(what, condition):
    began = time.monotonic()
    harness.wait_for(what, condition, 60)
    return time.monotonic() - began


def number(fleet, key, field):
    return int(fleet.hash(key).get(field, 0))


def kill_worker(fleet):
    brokers = [f"broker:{name}" for name in fleet.brokers]
    counts = lambda field: sum(number(fleet, key, field) for key in brokers)
    lost = lambda: counts("lost_worker_dead") + counts("lost_link")
    before = lost()
    fleet.running["worker0"].kill()
    seconds = until("its tasks to be lost", lambda: lost() > before)
    handed = counts("tasks_out")
    return seconds + until("them to be handed out", lambda: counts("tasks_out") >= handed + lost() - before)


def kill_broker(fleet):
    held = number(fleet, "broker:broker0", "in_flight")
    before = number(fleet, "broker:broker1", "tasks_out")
    fleet.running["broker0"].kill()
    return until("the other to hand them out", lambda: number(fleet, "broker:broker1", "tasks_out") >= before + held)


def kill_owner(fleet):
    daemon = fleet.daemons[0]
    job = fleet.job(daemon)
    fleet.signal_job(daemon, signal.SIGKILL)
    rows = int(job["accepted"])

    def goes_on():
        now = fleet.job(daemon)
        return int(now.get("owner", 0)) > int(job["owner"]) and int(now.get("accepted", 0)) > rows

    return until("its job to go on", goes_on)


def main():
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    bench = harness.Bench("cohort-failover")
    try:
        fleet = test_fleet.Fleet(bench, workers=workers, slots=2)
        fleet.start_all()
        for i, daemon in enumerate(fleet.daemons):
            fleet.submit(daemon, 100000 * workers, 7 + i)
        for daemon in fleet.daemons:
            harness.wait_for("the first rows", lambda: fleet.accepted(daemon) > 0, 120)
        print(f"{workers} workers, 2 brokers, 2 owners; killed with kill -9; seconds until the others went on")
        for name, kill, most in (("worker", kill_worker, 6), ("owner", kill_owner, 10), ("broker", kill_broker, 6)):
            print(f"{name:8} {kill(fleet):6.1f}   (wanted: at most {most})", flush=True)
    finally:
        bench.close()


if __name__ == "__main__":
    main()

"""Configuration files: written by `cohort init`, read by the programs, printed
and read back. Everything through the real programs."""
import os
import re
import subprocess
import unittest

import harness

PROGRAMS = {
    "broker.conf": ["cohort-broker"],
    "worker.conf": ["cohort-worker"],
    "coordinator.conf": ["cohort-coordinator", "serve"],
    "submit.conf": ["cohort", "submit"],
    "run.conf": ["cohort", "run"],
}
# Values that need quotes, units, and lists with commas in an item.
ODD = {
    "broker.conf": ["--front", 'ipc:///tmp/a "quoted" # name', "--queued-max", "1536KiB", "--dead", "1500ms", "--beat", "90ms", "--log-level", "debug"],
    "worker.conf": ["--broker", "tcp://127.0.0.1:1", "--broker", "ipc:///tmp/a,b", "--tags", "x y", "--drain-timeout", "61s", "--spill", "/tmp/back\\slash"],
    "coordinator.conf": ["--broker", "tcp://127.0.0.1:1", "--redis", "unix:///r?db=3", "--redis-insecure", "--out", "/tmp/é ü"],
    "submit.conf": ["--timeout", "1h", "--rows", "10"],
    "run.conf": ["--workers", "3", "--namespace", "a.b-c", "--json", "--broker", "ipc:///x"],
}
FILES = {
    "laptop": ["run.conf"],
    "fleet": ["broker.conf", "coordinator.conf", "submit.conf", "worker.conf"],
    "kubernetes": ["broker.conf", "coordinator.conf", "submit.conf", "worker.conf"],
}


def values(printed):
    """--print-config without its last column (where each value is from)."""
    return [re.sub(r" +# (default|file|environment|flag)(, not shown)?$", "", line) for line in printed.splitlines()]


class Config(harness.SystemTest):
    def call(self, file, *args, env=None):
        program = [f"{harness.BIN}/{PROGRAMS[file][0]}"] + PROGRAMS[file][1:]
        done = subprocess.run(
            program + list(args), capture_output=True, text=True, timeout=20 * harness.FACTOR,
            env=self.bench.env(env), cwd=self.bench.top, stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout, done.stderr

    def ok(self, file, *args, **more):
        code, out, err = self.call(file, *args, **more)
        self.assertEqual(code, 0, err)
        return out

    def write(self, name, text):
        path = self.bench.path(name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def init(self, profile, *args, folder=None):
        folder = folder or self.bench.path(profile)
        return folder, self.bench.cohort("init", "--profile", profile, "--out", folder, *args)

    # -- printed and read back -------------------------------------------------

    def test_what_print_config_prints_reads_back_the_same_in_every_program(self):
        for file in PROGRAMS:
            for ask in "--print-config", "--explain-config":
                with self.subTest(program=PROGRAMS[file], ask=ask):
                    wanted = self.ok(file, *ODD[file], "--print-config")
                    self.assertIn("# flag", wanted)
                    path = self.write("printed.conf", self.ok(file, *ODD[file], ask))
                    self.assertEqual(values(self.ok(file, "--config", path, "--print-config")), values(wanted))

    def test_flags_win_over_the_environment_over_the_file_over_the_defaults(self):
        path = self.write("broker.conf", "peers-max: 10\njobs-max: 20\nwindow-max: 100\n")
        env = {"COHORT_PEERS_MAX": "11", "COHORT_JOBS_MAX": "21"}
        printed = self.ok("broker.conf", "--config", path, "--peers-max", "12", "--print-config", env=env)
        for line in "peers-max: 12 +# flag", "jobs-max: 21 +# environment", "window-max: 100 +# file", "window-min: 64 +# default":
            self.assertRegex(printed, f"(?m)^{line}$")

    def test_a_bad_line_stops_the_start_and_names_file_line_key_value_and_range(self):
        bad = [
            ("name: b\npeers-max: 1\n", ["--peers-max", "line 2", '"1"', "a whole number from 2 to 65536"]),
            ("beat: soon\n", ["--beat", "line 1", '"soon"', "a time from 50ms to 1m"]),
            ("log-level: loud\n", ["--log-level", '"loud"', "one of error, warn, info, debug"]),
            ("\n\nfrunt: ipc:///x\n", ["frunt", "line 3", "did you mean front?"]),
            ("name: a\nname: b\n", ["name stands there a second time", "line 2", '"b"']),
        ]
        for text, said in bad:
            path = self.write("bad.conf", text)
            code, out, err = self.call("broker.conf", "--config", path)
            self.assertEqual((code, out), (2, ""), text)
            for part in said + [path]:
                self.assertIn(part, err)

    def test_a_config_file_of_cohort_run_is_not_given_to_what_it_starts(self):
        path = self.write("run.conf", "workers: 1\n")
        job = self.bench.job(500)
        run = self.bench.start("run", [f"{harness.BIN}/cohort", "run", job], env={"COHORT_CONFIG": path})
        self.assertEqual(run.wait(60), 0, run.log())

    # -- cohort init -------------------------------------------------------------

    def test_init_writes_files_that_name_every_option_once_and_that_programs_take(self):
        for profile, files in FILES.items():
            folder, (code, out, err) = self.init(profile)
            self.assertEqual(code, 0, err)
            self.assertEqual(sorted(os.listdir(folder)), files)
            for file in files:
                with self.subTest(profile=profile, file=file):
                    path = os.path.join(folder, file)
                    self.assertIn(path, out)
                    self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
                    with open(path) as f:
                        text = f.read()
                    options = [line.split(":")[0] for line in self.ok(file, "--print-config").splitlines()]
                    self.assertGreater(len(options), 3)
                    for option in options:
                        self.assertEqual(len(re.findall(rf"(?m)^#?{option}:", text)), 1, option)
                    self.ok(file, "--config", path, "--print-config")

    def test_init_takes_the_brokers_and_the_redis_that_are_named(self):
        folder, (code, _, err) = self.init("fleet", "--brokers", "a.example", "--brokers", "b.example", "--redis", "unix:///run/redis.sock")
        self.assertEqual(code, 0, err)
        worker = self.ok("worker.conf", "--config", f"{folder}/worker.conf", "--print-config")
        self.assertIn('broker: "tcp://a.example:5571", "tcp://b.example:5571"', worker)
        self.assertRegex(worker, r'redis: "unix:///run/redis.sock" +# file')
        self.assertRegex(worker, r"redis-insecure: false +# default")
        coordinator = self.ok("coordinator.conf", "--config", f"{folder}/coordinator.conf", "--print-config")
        self.assertIn('broker: "tcp://a.example:5570", "tcp://b.example:5570"', coordinator)

    def test_init_never_changes_a_file_that_exists(self):
        os.mkdir(self.bench.path("fleet"))
        mine = self.write("fleet/coordinator.conf", "mine\n")
        folder, (code, out, err) = self.init("fleet")
        self.assertEqual((code, out), (1, ""))
        self.assertIn(f"{mine} exists", err)
        self.assertEqual(os.listdir(folder), ["coordinator.conf"])
        with open(mine) as f:
            self.assertEqual(f.read(), "mine\n")

    def test_init_leaves_out_what_the_environment_says(self):
        env = self.bench.env({"COHORT_PEERS_MAX": "77"})
        folder = self.bench.path("clean")
        # The command's own --config is read from there too, so it is given one.
        env["COHORT_CONFIG"] = self.write("init.conf", "")
        done = subprocess.run([f"{harness.BIN}/cohort", "init", "-p", "fleet", "-o", folder], env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(f"{folder}/broker.conf") as f:
            self.assertIn("\n#peers-max: 4096\n", f.read())

    def test_init_refuses_a_redis_url_that_is_none_and_writes_nothing(self):
        folder, (code, _, err) = self.init("fleet", "--redis", "http://x")
        self.assertEqual(code, 2)
        self.assertIn("redis:// or unix://", err)
        self.assertFalse(os.path.exists(folder))

    def test_init_takes_hosts_as_brokers_and_nothing_else(self):
        for good in ("broker-1", "broker_1", "b.example", "10.0.0.7", "cohort-broker-0.cohort-broker", "7eleven.example"):
            folder, (code, _, err) = self.init("fleet", "--brokers", good, folder=self.bench.path("good-" + good))
            self.assertEqual(code, 0, err)
            with open(os.path.join(folder, "worker.conf")) as f:
                self.assertIn(f'\nbroker: "tcp://{good}:5571"\n', f.read())
        for bad, why in {
            "tcp://b:5570": "alone (tcp:// and the ports", "b:5570": "alone (tcp:// and the ports", "::1": "alone (tcp://",
            "a b": "is no host", "b\nqueued-max: 1": "is no host", "-b": "is no host", "b-": "is no host", "b..c": "is no host",
            "10.0.0.300": "is no host", "1.2.3": "is no host", "b" * 64: "is no host", "bücher": "is no host", "b,c": "is no host",
        }.items():
            folder, (code, out, err) = self.init("fleet", "--brokers", "good", "--brokers=" + bad, folder=self.bench.path("bad"))
            self.assertEqual((code, out), (2, ""), bad)
            self.assertIn("cohort init: --brokers: ", err)
            self.assertIn(why, err)
            self.assertEqual(err.count("\n"), 1, err)
            self.assertFalse(os.path.exists(folder))

    def test_init_says_that_a_laptop_has_no_fleet(self):
        for args in (["--brokers", "b"], ["--redis", "redis://r:6379"]):
            folder, (code, _, err) = self.init("laptop", *args)
            self.assertEqual(code, 2)
            self.assertIn("add --profile fleet", err)
            self.assertFalse(os.path.exists(folder))


class Documents(harness.SystemTest):
    """Options that a document names are options of some program."""

    COMMANDS = ["cohort-broker", "cohort-worker", "cohort-coordinator run", "cohort-coordinator serve", "cohort-coordinator bench",
                "cohort-scaler"]
    # Of other programs: redis-server, docker, kubectl, git, cmake, ctest, bench_swarm, test_chaos.py.
    OTHERS = {
        "install", "help", "version", "preset", "build", "prefix", "parallel", "no-install-recommends", "config", "print-config",
        "explain-config", "maxmemory-policy", "scale", "from-file", "now", "create", "target", "idle", "pace", "timed", "faults",
    }

    def known(self):
        code, out, err = self.bench.cohort("--help")
        self.assertEqual(code, 0, err)
        commands = self.COMMANDS + ["cohort " + re.sub(r" (\[|[A-Z-]).*", "", line.strip()[:32]).strip() for line in re.findall(r"(?m)^  (\S.*)$", out.split("Commands:")[1].split("Each answers")[0])]
        names = set()
        for command in commands:
            words = command.split()
            done = subprocess.run([f"{harness.BIN}/{words[0]}"] + words[1:] + ["--help"], capture_output=True, text=True, env=self.bench.env())
            self.assertEqual(done.returncode, 0, command + done.stderr)
            names |= set(re.findall(r"(?m)^ +(?:-\w, +)?--([a-z-]+)", done.stdout))
        return names

    def test_documents_name_no_option_that_does_not_exist(self):
        known = self.known() | self.OTHERS
        self.assertIn("journals-age", known)
        for path in ["README.md", "docs/cli.md", "docs/operations.md", "docs/redis-keys.md", "docs/journal.md"]:
            with open(os.path.join(harness.ROOT, path)) as f:
                text = f.read()
            for name in re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text):
                self.assertTrue(name in known or name.removeprefix("no-") in known, f"{path}: --{name}")


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""What is shipped for deployment: image, compose file, manifests, units.

There is no container engine and no cluster in a test, so this checks what can be
checked without: linters where they are installed (a test says when it skips),
the shape that the APIs require, that flags, variables and files named there
exist in the programs, and the health check against real processes."""
import glob
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import unittest

import harness

try:
    import yaml
except ImportError:
    yaml = None

DOCKER = os.path.join(harness.ROOT, "docker")
K8S = os.path.join(DOCKER, "k8s")
HEALTHY = os.path.join(DOCKER, "healthy.sh")
YAMLLINT = "{extends: default, rules: {document-start: disable, line-length: {max: 120}}}"
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def read(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


def run(*args, **more):
    done = subprocess.run(args, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120 * harness.FACTOR, **more)
    return done.returncode, done.stdout + done.stderr


def tool(*names):
    for name in names:
        if shutil.which(name):
            return name
    raise unittest.SkipTest(f"skipped: none of {', '.join(names)} is installed")


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * SECONDS[unit]


_help = {}


def options_of(program, command=None):
    """The names that `--help` of a program lists."""
    key = (program, command)
    if key not in _help:
        code, text = run(f"{harness.BIN}/{program}", *([command] if command else []), "--help")
        assert code == 0, text
        _help[key] = set(re.findall(r"(?m)^ +(?:-\w, +)?--([a-z-]+)", text))
    return _help[key]


def program_of(words):
    """Program, sub-command and the rest of a command line."""
    program, rest = os.path.basename(words[0]), list(words[1:])
    command = rest.pop(0) if rest and re.fullmatch(r"[a-z]+", rest[0]) else None
    return program, command, rest


class Checks(harness.SystemTest):
    def takes(self, words):
        """Every flag of a command line is one of the program's."""
        program, command, rest = program_of(words)
        known = options_of(program, command)
        flags = [w[2:].split("=")[0] for w in rest if w.startswith("--")]
        self.assertTrue(set(flags) <= known, f"{words}: unknown {set(flags) - known}")
        return flags

    def takes_variable(self, words, name):
        program, command, _ = program_of(words)
        self.assertTrue(name.startswith("COHORT_"), name)
        option = name[len("COHORT_"):].lower().replace("_", "-")
        self.assertIn(option, options_of(program, command), f"{name} is no variable of {program}")


# ---- the image ---------------------------------------------------------------


class Image(Checks):
    def instructions(self):
        text = re.sub(r"(?m)^\s*#.*\n", "", read(DOCKER, "Dockerfile"))
        text = text.replace("\\\n", " ")
        return [re.sub(r"\s+", " ", line).strip().split(" ", 1) for line in text.splitlines() if line.strip()]

    def stages(self):
        stages = []
        for word, rest in self.instructions():
            if word == "FROM":
                stages.append([])
            stages[-1].append((word, rest))
        return stages

    def context(self):
        """The files that .dockerignore lets through, copied to a folder."""
        lines = [line for line in read(harness.ROOT, ".dockerignore").splitlines() if line and not line.startswith("#")]
        self.assertEqual(lines[0], "*", "everything is left out but what is named")
        top = self.bench.path("context")
        os.mkdir(top)
        for line in lines[1:]:
            if line.startswith("!"):
                source = os.path.join(harness.ROOT, line[1:])
                self.assertTrue(os.path.exists(source), f".dockerignore names {line[1:]}, which is not there")
                copy = shutil.copytree if os.path.isdir(source) else shutil.copy2
                copy(source, os.path.join(top, line[1:]))
        return top

    def test_the_dockerfile_passes_its_linter(self):
        name = tool("hadolint", "dockerfilelint", "dockerfile-utils")
        extra = {"dockerfile-utils": ["lint"], "hadolint": ["--ignore", "DL3008"]}.get(name, [])
        code, said = run(name, *extra, f"{DOCKER}/Dockerfile")
        self.assertEqual(code, 0, said)

    def test_the_image_has_two_stages_and_runs_as_nobody_special(self):
        stages = self.stages()
        self.assertEqual([s[0][1].split()[0] for s in stages], ["debian:12-slim", "debian:12-slim"])
        last = dict(stages[-1])
        self.assertRegex(last["USER"], r"^[1-9]\d{3,}:[1-9]\d{3,}$")
        uid = last["USER"].split(":")[0]
        self.assertIn(f"--uid {uid}", last["RUN"])
        self.assertEqual(json.loads(last["HEALTHCHECK"].split("CMD ")[1]), ["/usr/lib/cohort/healthy"])
        self.assertIn(("COPY", "docker/healthy.sh /usr/lib/cohort/healthy"), stages[-1])
        self.assertTrue(os.stat(HEALTHY).st_mode & stat.S_IXOTH, "healthy.sh is executable")
        self.assertNotIn("ADD", [word for word, _ in self.instructions()])
        for word, rest in self.instructions():
            if word == "RUN" and ("apt-get install" in rest or "install-packages" in rest):
                self.assertIn("rm -rf /var/lib/apt/lists/*", rest)

    def test_the_build_stage_installs_what_the_launcher_says_and_nothing_else(self):
        text = " ".join(rest for word, rest in self.stages()[0] if word == "RUN")
        self.assertIn("/src/cohort install-packages build ", text)
        self.assertNotIn("apt-get install", text)
        self.assertGreater(len(re.findall(r"(?m)^build \S+ ", read(harness.ROOT, "cohort"))), 5)

    def test_the_image_has_the_libraries_that_the_programs_need(self):
        tool("readelf")
        tool("dpkg")
        need = set()
        for program in glob.glob(f"{harness.BIN}/cohort*"):
            direct = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", program)[1]))
            for name, path in re.findall(r"(\S+) => (/\S+)", run("ldd", program)[1]):
                if name in direct:
                    need.add(self.package_of(path))
        sanitized = {p for p in need if re.match(r"lib(asan|tsan|ubsan)", p)}
        need -= sanitized | {"libc6", "libgcc-s1"}  # the latter are in every image
        runtime = next(rest for word, rest in self.stages()[-1] if word == "RUN")
        listed = set(re.search(r"--no-install-recommends ([^&]*)&&", runtime).group(1).split())
        self.assertLessEqual(listed, need)
        if not sanitized:  # such a build also names libraries that it has no use for
            self.assertEqual(listed, need)

    def package_of(self, path):
        real = os.path.realpath(path)
        for candidate in (path, real, real.replace("/usr/lib/", "/lib/", 1), "/usr" + path):
            code, said = run("dpkg", "-S", candidate)
            if code == 0:
                return said.split(":")[0]
        self.fail(f"no package brings {path}")

    def test_what_is_copied_into_the_build_is_enough_to_build(self):
        """The build's own command in a folder with what Docker would copy: CMake
        looks for every source file, and the programs are among the targets."""
        steps = " ".join(rest for word, rest in self.stages()[0] if word == "RUN")
        configure = re.search(r"cmake --preset release [^&]*", steps).group(0).split()
        self.assertIn("cmake --build --preset release --target programs ", steps)
        self.assertRegex(steps, r"DESTDIR=/image cmake --install build/release --strip")
        top = self.context()
        code, said = run(*configure, cwd=top)
        self.assertEqual(code, 0, said[-3000:])
        code, said = run("ninja", "-C", "build/release", "-t", "commands", "programs", cwd=top)
        self.assertEqual(code, 0, said[-3000:])
        for program in "cohort", "cohort-broker", "cohort-worker", "cohort-coordinator":
            self.assertRegex(said, rf" -o bin/{program} ")

    def test_secret_keys_get_neither_into_the_image_nor_into_the_history(self):
        ignored = read(harness.ROOT, ".dockerignore").splitlines()
        for line in "docker/keys", "**/*.key":
            self.assertGreater(ignored.index(line), ignored.index("!docker"), "the last line that fits decides")
        self.assertIn("/docker/keys/", read(harness.ROOT, ".gitignore").splitlines())

    def test_scripts_pass_shellcheck(self):
        tool("shellcheck")
        scripts = [HEALTHY, f"{DOCKER}/systemd/postinst", f"{DOCKER}/systemd/prerm"]
        code, said = run("shellcheck", *scripts)
        self.assertEqual(code, 0, said)


# ---- health ------------------------------------------------------------------


class Health(Checks):
    def verdict(self, proc):
        return run(HEALTHY, str(proc.pid))

    def becomes(self, proc, wanted):
        harness.wait_for(f"{proc.name} to be {wanted}", lambda: self.verdict(proc)[1].startswith(wanted))

    def test_a_program_that_serves_is_healthy_and_one_that_is_stopped_is_not(self):
        broker = self.bench.broker("--front", "tcp://127.0.0.1:*", "--back", "tcp://127.0.0.1:*")
        worker = self.bench.worker()
        daemon = self.bench.start(
            "daemon",
            [f"{harness.BIN}/cohort-coordinator", "serve", "--broker", self.bench.front, "--out", self.bench.top,
             "--listen", f"ipc://{self.bench.top}/submit"],
        )
        self.bench.redis()
        scaler = self.bench.start("scaler", [f"{harness.BIN}/cohort-scaler", "--service", "slow", "exec", "--redis",
                                             f"redis://127.0.0.1:{self.bench.redis_port}", "--", "true"])
        for proc in broker, worker, daemon, scaler:
            self.becomes(proc, "healthy")
            self.assertEqual(self.verdict(proc), (0, "healthy\n"))
            proc.kill(signal.SIGSTOP)
            self.becomes(proc, "unhealthy")
            code, said = self.verdict(proc)
            self.assertEqual(code, 1)
            self.assertIn("in state T", said)
            proc.kill(signal.SIGCONT)
            self.becomes(proc, "healthy")

    def test_something_else_and_nothing_are_unhealthy(self):
        code, said = run(HEALTHY, str(os.getpid()))
        self.assertEqual(code, 1)
        self.assertIn("no program of Cohort", said)
        code, said = run(HEALTHY, str(2 ** 22 + 1))
        self.assertEqual((code, said), (1, f"unhealthy: there is no process {2 ** 22 + 1}\n"))


# ---- compose -----------------------------------------------------------------


@unittest.skipUnless(yaml, "skipped: python3-yaml is not installed")
class Compose(Checks):
    def setUp(self):
        super().setUp()
        self.file = yaml.safe_load(read(DOCKER, "compose.yaml"))
        self.services = self.file["services"]

    def cohorts(self):
        return {k: v for k, v in self.services.items() if v["image"] == "cohort"}

    def test_yaml_passes_its_linter(self):
        tool("yamllint")
        code, said = run("yamllint", "--strict", "-d", YAMLLINT, DOCKER)
        self.assertEqual(code, 0, said)

    def test_the_client_of_docker_takes_the_file(self):
        tool("docker")
        if run("docker", "compose", "version")[0]:
            self.skipTest("skipped: this docker has no compose")
        code, said = run("docker", "compose", "-f", f"{DOCKER}/compose.yaml", "config", "--quiet")
        self.assertEqual(code, 0, said)

    def test_it_has_a_redis_two_brokers_a_coordinator_and_workers(self):
        self.assertEqual(set(self.services), {"redis", "broker-1", "broker-2", "coordinator", "worker"})
        self.assertIn("--maxmemory-policy=noeviction", self.services["redis"]["command"])
        self.assertGreater(self.services["worker"]["deploy"]["replicas"], 1)

    def test_nothing_is_published_beyond_this_host_and_nobody_may_more_than_needed(self):
        for name, service in self.services.items():
            for port in service.get("ports", []):
                self.assertRegex(str(port), r"^127\.0\.0\.1:", f"{name} publishes {port}")
            self.assertNotIn("network_mode", service)
            self.assertNotIn("privileged", service)
            self.assertTrue(service["read_only"], name)
            self.assertEqual(service["cap_drop"], ["ALL"], name)
            self.assertEqual(service["security_opt"], ["no-new-privileges:true"], name)

    def test_flags_variables_hosts_and_volumes_exist(self):
        for name, service in self.cohorts().items():
            words = service["command"]
            self.takes(words)
            for variable in service.get("environment", {}):
                self.takes_variable(words, variable)
            for host in re.findall(r"(?:tcp|redis)://([a-z][a-z0-9-]*):", " ".join(words)):
                self.assertIn(host, self.services, f"{name} names {host}")
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                self.assertTrue(source[0] == "." or source in self.file["volumes"], volume)
            for network in service["networks"]:
                self.assertIn(network, self.file["networks"])

    def test_every_peer_knows_both_brokers_at_the_right_port(self):
        fronts, backs = ["--broker=tcp://broker-1:5570", "--broker=tcp://broker-2:5570"], ["--broker=tcp://broker-1:5571", "--broker=tcp://broker-2:5571"]
        flags = {name: [w for w in s["command"] if w.startswith("--broker=")] for name, s in self.cohorts().items()}
        self.assertEqual(flags["coordinator"], fronts)
        self.assertEqual(flags["worker"], backs)
        for name in "broker-1", "broker-2":
            self.assertIn("--front=tcp://0.0.0.0:5570", self.services[name]["command"])
            self.assertIn("--back=tcp://0.0.0.0:5571", self.services[name]["command"])

    def test_a_worker_has_longer_to_drain_than_it_takes(self):
        worker = self.services["worker"]
        drain = next(w.split("=")[1] for w in worker["command"] if w.startswith("--drain-timeout="))
        self.assertGreater(seconds(worker["stop_grace_period"]), seconds(drain) + 5)

    def test_programs_take_the_command_lines(self):
        """With --print-config the real parser sees every value."""
        for service in self.cohorts().values():
            program, command, rest = program_of(service["command"])
            words = [f"{harness.BIN}/{program}"] + ([command] if command else []) + rest
            code, said = run(*words, "--print-config", env=self.bench.env())
            self.assertEqual(code, 0, said)


# ---- Kubernetes --------------------------------------------------------------

# Field names that the API knows, for the kinds that are used here: a misspelt one
# would be dropped in silence. None: anything (maps of strings, or not looked into).
META = {"name": None, "namespace": None, "labels": None, "annotations": None}
SELECTOR = {"matchLabels": None}
PROBE = {"exec": {"command": None}, "periodSeconds": None, "timeoutSeconds": None, "initialDelaySeconds": None,
         "failureThreshold": None, "httpGet": None, "tcpSocket": None}
CONTAINER = {
    "name": None, "image": None, "command": None, "args": None,
    "env": [{"name": None, "value": None, "valueFrom": None}],
    "ports": [{"name": None, "containerPort": None, "protocol": None}],
    "readinessProbe": PROBE, "livenessProbe": PROBE, "startupProbe": PROBE,
    "resources": {"requests": None, "limits": None},
    "securityContext": {"allowPrivilegeEscalation": None, "readOnlyRootFilesystem": None, "capabilities": {"drop": None}},
    "volumeMounts": [{"name": None, "mountPath": None, "subPath": None, "readOnly": None}],
}
POD = {
    "serviceAccountName": None, "automountServiceAccountToken": None, "terminationGracePeriodSeconds": None,
    "securityContext": {"runAsNonRoot": None, "runAsUser": None, "runAsGroup": None, "fsGroup": None,
                        "fsGroupChangePolicy": None, "seccompProfile": {"type": None}},
    "topologySpreadConstraints": [{"maxSkew": None, "topologyKey": None, "whenUnsatisfiable": None, "labelSelector": SELECTOR}],
    "containers": [CONTAINER],
    "volumes": [{"name": None, "configMap": {"name": None}, "secret": {"secretName": None, "defaultMode": None},
                 "emptyDir": {"sizeLimit": None, "medium": None}}],
}
TEMPLATE = {"metadata": META, "spec": POD}
CLAIM = {"apiVersion": None, "kind": None, "metadata": META, "spec": {"accessModes": None, "resources": {"requests": None}, "storageClassName": None}}
KINDS = {
    ("v1", "Namespace"): {},
    ("v1", "ServiceAccount"): {"automountServiceAccountToken": None},
    ("v1", "Service"): {"spec": {"clusterIP": None, "publishNotReadyAddresses": None, "selector": None,
                                 "ports": [{"name": None, "port": None, "targetPort": None}]}},
    ("rbac.authorization.k8s.io/v1", "Role"): {"rules": [{"apiGroups": None, "resources": None, "resourceNames": None, "verbs": None}]},
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): {"roleRef": {"apiGroup": None, "kind": None, "name": None},
                                                      "subjects": [{"kind": None, "name": None, "namespace": None}]},
    ("networking.k8s.io/v1", "NetworkPolicy"): {"spec": {"podSelector": SELECTOR, "policyTypes": None,
                                                         "ingress": [{"from": [{"podSelector": SELECTOR}], "ports": [{"port": None}]}]}},
    ("policy/v1", "PodDisruptionBudget"): {"spec": {"minAvailable": None, "selector": SELECTOR}},
    ("apps/v1", "Deployment"): {"spec": {"replicas": None, "selector": SELECTOR, "template": TEMPLATE,
                                         "strategy": {"type": None, "rollingUpdate": None}}},
    ("apps/v1", "StatefulSet"): {"spec": {"serviceName": None, "replicas": None, "podManagementPolicy": None, "minReadySeconds": None,
                                          "selector": SELECTOR, "template": TEMPLATE, "volumeClaimTemplates": [CLAIM]}},
}


@unittest.skipUnless(yaml, "skipped: python3-yaml is not installed")
class Kubernetes(Checks):
    def setUp(self):
        super().setUp()
        self.kustomization = yaml.safe_load(read(K8S, "kustomization.yaml"))
        self.objects = []
        for file in self.kustomization["resources"] + ["scaler.yaml"]:
            self.objects += list(yaml.safe_load_all(read(K8S, file)))

    def of(self, *kinds):
        return [o for o in self.objects if o["kind"] in kinds]

    def named(self, kind, name):
        return next((o for o in self.of(kind) if o["metadata"]["name"] == name), None)

    def pods(self):
        """Owner, pod and container of everything that runs."""
        for o in self.of("Deployment", "StatefulSet"):
            for container in o["spec"]["template"]["spec"]["containers"]:
                yield o, o["spec"]["template"], container

    def cohorts(self):
        return [(o, pod, c) for o, pod, c in self.pods() if c["image"] == "cohort"]

    def known(self, value, shape, where):
        if isinstance(shape, list):
            self.assertIsInstance(value, list, where)
            for i, item in enumerate(value):
                self.known(item, shape[0], f"{where}[{i}]")
        elif isinstance(shape, dict):
            self.assertIsInstance(value, dict, where)
            for key, inner in value.items():
                self.assertIn(key, shape, f"{where} knows no {key}")
                if shape[key] is not None:
                    self.known(inner, shape[key], f"{where}.{key}")

    def test_kubectl_builds_it(self):
        tool("kubectl")
        code, said = run("kubectl", "kustomize", K8S)
        self.assertEqual(code, 0, said)
        # Generated names are put in everywhere: none is left as it was.
        self.assertRegex(said, r"kind: ConfigMap\nmetadata:\n(?:.*\n)*?  name: cohort-[a-z0-9]{10}\n")
        self.assertNotRegex(said, r"configMap:\n\s+name: cohort\n")

    def test_every_object_has_only_fields_that_its_kind_has(self):
        seen = set()
        for o in self.objects:
            kind = (o["apiVersion"], o["kind"])
            self.assertIn(kind, KINDS)
            shape = {"apiVersion": None, "kind": None, "metadata": META, **KINDS[kind]}
            self.known(o, shape, f"{o['kind']} {o['metadata']['name']}")
            identity = (o["kind"], o["metadata"]["name"])
            self.assertNotIn(identity, seen)
            seen.add(identity)
            self.assertRegex(o["metadata"]["name"], r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
            if o["kind"] != "Namespace":
                self.assertEqual(o["metadata"]["namespace"], "cohort", identity)

    def test_every_manifest_is_in_the_kustomization_or_an_option(self):
        files = {os.path.basename(p) for p in glob.glob(f"{K8S}/*.yaml")} - {"kustomization.yaml"}
        # Either takes the number of replicas out of a person's hands: asked for by hand.
        self.assertEqual(files - {"scaledobject.yaml", "scaler.yaml"}, set(self.kustomization["resources"]))

    def test_selectors_find_their_pods(self):
        labels = [o["spec"]["template"]["metadata"]["labels"] for o in self.of("Deployment", "StatefulSet")]
        for o in self.of("Deployment", "StatefulSet"):
            wanted = o["spec"]["selector"]["matchLabels"]
            self.assertLessEqual(wanted.items(), o["spec"]["template"]["metadata"]["labels"].items())
        selectors = [o["spec"]["selector"] for o in self.of("Service")]
        selectors += [o["spec"]["selector"]["matchLabels"] for o in self.of("PodDisruptionBudget")]
        for o in self.of("NetworkPolicy"):
            selectors += [o["spec"]["podSelector"].get("matchLabels", {})]
            for rule in o["spec"].get("ingress", []):
                selectors += [peer["podSelector"]["matchLabels"] for peer in rule["from"]]
        for wanted in selectors:
            self.assertTrue(any(wanted.items() <= have.items() for have in labels), wanted)

    def test_names_that_are_referred_to_exist(self):
        maps = {g["name"] for g in self.kustomization["configMapGenerator"]}
        for o, pod, c in self.pods():
            spec = pod["spec"]
            where = o["metadata"]["name"]
            self.assertIsNotNone(self.named("ServiceAccount", spec["serviceAccountName"]), where)
            volumes = {v["name"]: v for v in spec.get("volumes", [])}
            claims = {v["metadata"]["name"] for v in o["spec"].get("volumeClaimTemplates", [])}
            mounts = {mount["name"] for mount in c.get("volumeMounts", [])}
            self.assertLessEqual(mounts, set(volumes) | claims, where)
            self.assertLessEqual(set(volumes), mounts, where)
            for volume in volumes.values():
                if "configMap" in volume:
                    self.assertIn(volume["configMap"]["name"], maps)
            if o["kind"] == "StatefulSet":
                self.assertEqual(self.named("Service", o["spec"]["serviceName"])["spec"]["clusterIP"], "None", where)
        for o in self.of("Service"):
            wanted = o["spec"]["selector"].items()
            ports = {p["name"] for _, pod, c in self.pods() if wanted <= pod["metadata"]["labels"].items() for p in c.get("ports", [])}
            for port in o["spec"].get("ports", []):
                self.assertIn(port["targetPort"], ports)

    def test_nobody_may_more_than_needed(self):
        for o, pod, c in self.pods():
            where = o["metadata"]["name"]
            context = pod["spec"]["securityContext"]
            self.assertTrue(context["runAsNonRoot"], where)
            self.assertGreater(context["runAsUser"], 0)
            self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"}, where)
            self.assertEqual(c["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, where)
            self.assertEqual(pod["spec"]["automountServiceAccountToken"], where == "cohort-scaler", where)
            for need in "cpu", "memory":
                self.assertIn(need, c["resources"]["requests"], where)
            self.assertIn("memory", c["resources"]["limits"], where)
            self.assertIn("livenessProbe", c, where)
        uid = re.search(r"(?m)^USER (\d+):", read(DOCKER, "Dockerfile")).group(1)
        for o, pod, _ in self.cohorts():
            self.assertEqual(pod["spec"]["securityContext"]["runAsUser"], int(uid))
        for role in self.of("Role"):
            for rule in role["rules"]:
                self.assertNotIn("*", rule["verbs"] + rule["resources"] + rule["apiGroups"])
        binding = self.named("RoleBinding", "cohort-scale")
        self.assertIsNotNone(self.named("Role", binding["roleRef"]["name"]))
        for subject in binding["subjects"]:
            self.assertIsNotNone(self.named("ServiceAccount", subject["name"]))
        scaled = self.named("Role", "cohort-scale")["rules"][0]["resourceNames"]
        self.assertIsNotNone(self.named("Deployment", scaled[0]))

    def test_the_scaler_scales_what_it_may_and_the_parser_takes_its_words(self):
        scaler = self.named("Deployment", "cohort-scaler")
        pod = scaler["spec"]["template"]["spec"]
        rule = self.named("Role", "cohort-scale")["rules"][0]
        self.assertEqual([s["name"] for s in self.named("RoleBinding", "cohort-scale")["subjects"]], [pod["serviceAccountName"]])
        words = pod["containers"][0]["command"]
        values = dict(w[2:].split("=", 1) for w in words if "=" in w)
        self.assertEqual(values["target"], "deployment/" + rule["resourceNames"][0])
        self.assertLessEqual({"get", "patch"}, set(rule["verbs"]))
        code, said = run(f"{harness.BIN}/cohort-scaler", *words[1:-1], "--print-config", words[-1], env=self.bench.env())
        self.assertEqual(code, 0, said)
        # KEDA's trigger and this one read the same wish.
        scaled = yaml.safe_load(read(K8S, "scaledobject.yaml"))["spec"]
        self.assertTrue(scaled["triggers"][0]["metadata"]["listName"].endswith("demand:" + values["service"]))

    def test_what_is_not_let_in_by_a_policy_is_not_let_in(self):
        everybody = self.named("NetworkPolicy", "cohort-nothing-in")["spec"]
        self.assertEqual(everybody, {"podSelector": {}, "policyTypes": ["Ingress"]})
        ports = {p["containerPort"] for _, _, c in self.pods() for p in c.get("ports", [])}
        let_in = {p["port"] for o in self.of("NetworkPolicy") for rule in o["spec"].get("ingress", []) for p in rule["ports"]}
        self.assertLessEqual(let_in, ports)

    def test_the_configuration_is_what_init_writes_and_the_programs_take_it(self):
        folder = self.bench.path("config")
        code, _, err = self.bench.cohort("init", "--profile", "kubernetes", "--out", folder)
        self.assertEqual(code, 0, err)
        self.assertEqual(sorted(os.listdir(folder)), sorted(os.listdir(f"{K8S}/config")))
        generated = {os.path.basename(f) for g in self.kustomization["configMapGenerator"] for f in g["files"]}
        self.assertEqual(generated, set(os.listdir(folder)))
        for file in generated:
            self.assertEqual(read(folder, file), read(K8S, "config", file),
                             f"docker/k8s/config/{file} is old: `cohort init --profile kubernetes` writes it anew")

    def test_command_lines_and_variables_are_of_the_programs_and_files_are_mounted(self):
        for o, pod, c in self.cohorts():
            self.takes(c["command"])
            if o["metadata"]["name"] == "cohort-scaler":
                continue  # flags only: see above
            mounts = {m["mountPath"]: m for m in c["volumeMounts"]}
            config = next(w.split("=")[1] for w in c["command"] if w.startswith("--config="))
            self.assertEqual(mounts[config]["subPath"], os.path.basename(config))
            program, command, _ = program_of(c["command"])
            code, said = run(*[w for w in (f"{harness.BIN}/{program}", command) if w],
                             f"--config={K8S}/config/{os.path.basename(config)}", "--print-config",
                             env=self.bench.env())
            self.assertEqual(code, 0, said)
            text = read(K8S, "config", os.path.basename(config))
            for option in "key", "broker-key", "allow":
                for path in re.findall(rf'(?m)^{option}: "([^"]*)"', text):
                    self.assertTrue(any(path.startswith(m) for m in mounts), path)
            self.assertRegex(text, '(?m)^key: "')
            for probe in "livenessProbe", "readinessProbe":
                if probe in c:
                    self.assertEqual(c[probe]["exec"]["command"], ["/usr/lib/cohort/healthy"])

    def test_addresses_in_the_configuration_are_pods_and_services_here(self):
        brokers = self.named("StatefulSet", "cohort-broker")["spec"]
        hosts = [f"cohort-broker-{i}.{brokers['serviceName']}" for i in range(brokers["replicas"])]
        for file, port in ("coordinator.conf", 5570), ("worker.conf", 5571):
            line = re.search(r"(?m)^broker: (.*)$", read(K8S, "config", file)).group(1)
            self.assertEqual(re.findall(r'"([^"]*)"', line), [f"tcp://{h}:{port}" for h in hosts])
        redis = re.search(r'(?m)^redis: "redis://([^:]*):(\d+)"', read(K8S, "config", "broker.conf"))
        self.assertEqual(self.named("Service", redis.group(1))["spec"]["ports"][0]["port"], int(redis.group(2)))
        self.assertTrue(brokers["replicas"] > 1 and self.named("PodDisruptionBudget", "cohort-broker"))

    def test_the_coordinators_folders_are_volumes_and_a_worker_has_time_to_drain(self):
        _, pod, c = next(x for x in self.cohorts() if x[0]["metadata"]["name"] == "cohort-coordinator")
        mounts = [m["mountPath"] for m in c["volumeMounts"]]
        text = read(K8S, "config", "coordinator.conf")
        self.assertIn(re.search(r'(?m)^out: "(.*)"', text).group(1), mounts)
        listen = re.search(r'(?m)^listen: "ipc://(.*)"', text).group(1)
        self.assertIn(os.path.dirname(listen), mounts)
        self.assertIn(listen, read(K8S, "config", "submit.conf"))
        worker = next(x for x in self.cohorts() if x[0]["metadata"]["name"] == "cohort-worker")
        drain = seconds(re.search(r"(?m)^#?drain-timeout: (\S+)", read(K8S, "config", "worker.conf")).group(1))
        self.assertGreater(worker[1]["spec"]["terminationGracePeriodSeconds"], drain + 5)


# ---- systemd -----------------------------------------------------------------


class Units(Checks):
    def setUp(self):
        super().setUp()
        self.prefix = self.bench.path("usr")
        code, said = run("cmake", "--install", harness.BUILD, "--prefix", self.prefix)
        self.assertEqual(code, 0, said)
        self.folder = f"{self.prefix}/lib/systemd/system"
        self.units = sorted(glob.glob(f"{self.folder}/*"))

    def settings(self, unit):
        """Setting -> its values, in order."""
        found = {}
        for line in read(unit).splitlines():
            if line and line[0] not in "#;[":
                key, value = line.split("=", 1)
                found.setdefault(key, []).append(value)
        return found

    def test_units_the_user_and_the_folders_are_installed(self):
        names = [os.path.basename(u) for u in self.units]
        self.assertEqual(names, ["cohort-broker.service", "cohort-coordinator.service", "cohort-gc.service", "cohort-gc.timer", "cohort-worker.service"])
        for path in "lib/sysusers.d/cohort.conf", "lib/tmpfiles.d/cohort.conf":
            self.assertTrue(os.path.exists(f"{self.prefix}/{path}"), path)
        for unit in self.units:
            self.assertNotIn("@", re.sub(r"(?m)^(#.*|SystemCallFilter=.*)$", "", read(unit)))

    def test_systemd_finds_nothing_wrong(self):
        tool("systemd-analyze")
        for unit in self.units:
            code, said = run("systemd-analyze", "verify", "--man=no", unit)
            self.assertEqual((code, said), (0, ""), unit)

    def test_systemd_rates_each_service_as_hardened(self):
        tool("systemd-analyze")
        for unit in self.units:
            if unit.endswith(".service"):
                code, said = run("systemd-analyze", "security", "--offline=true", "--threshold=15", unit)
                self.assertEqual(code, 0, said)

    def test_systemd_takes_the_user(self):
        tool("systemd-sysusers")
        os.makedirs(self.bench.path("root/etc"))
        code, said = run("systemd-sysusers", f"--root={self.bench.path('root')}", f"{self.prefix}/lib/sysusers.d/cohort.conf")
        self.assertEqual(code, 0, said)
        self.assertRegex(read(self.bench.path("root/etc/passwd")), r"(?m)^cohort:.*:/var/lib/cohort:/usr/sbin/nologin$")

    def test_what_is_started_exists_and_takes_these_options(self):
        _, (code, _, err) = None, self.bench.cohort("init", "--profile", "fleet", "--out", self.bench.path("conf"))
        self.assertEqual(code, 0, err)
        written = set(os.listdir(self.bench.path("conf"))) | {"gc.conf"}
        for unit in self.units:
            for line in self.settings(unit).get("ExecStart", []):
                words = line.split()
                self.assertTrue(os.access(words[0], os.X_OK), words[0])
                self.takes(words)
                config = words[words.index("--config") + 1]
                self.assertEqual(os.path.dirname(config), "/etc/cohort")
                self.assertIn(os.path.basename(config), written)

    def test_folders_that_the_configuration_names_may_be_written(self):
        coordinator = self.settings(f"{self.folder}/cohort-coordinator.service")
        code, _, err = self.bench.cohort("init", "--profile", "fleet", "--out", self.bench.path("conf"))
        self.assertEqual(code, 0, err)
        text = read(self.bench.path("conf"), "coordinator.conf")
        out = re.search(r'(?m)^out: "/var/lib/(.*)"', text).group(1)
        self.assertIn(out, coordinator["StateDirectory"][0].split())
        listen = os.path.dirname(re.search(r'(?m)^listen: "ipc://(.*)"', text).group(1))
        self.assertIn(listen, coordinator["ReadWritePaths"])
        self.assertRegex(read(self.prefix, "lib/tmpfiles.d/cohort.conf"), rf"(?m)^d {listen} 0750 cohort cohort ")

    def test_a_worker_has_longer_to_drain_than_it_takes(self):
        worker = self.settings(f"{self.folder}/cohort-worker.service")
        drain = re.search(r"(?m)^drain-timeout: (\S+)", run(f"{harness.BIN}/cohort-worker", "--print-config", env=self.bench.env())[1]).group(1)
        self.assertGreater(seconds(worker["TimeoutStopSec"][0]), seconds(drain) + 5)
        self.assertEqual(worker["KillMode"], ["mixed"])


if __name__ == "__main__":
    unittest.main(verbosity=2)

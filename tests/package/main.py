"""The packages of scripts/package: installed on a Debian of their own (the system that runs this, booted once more under a
layer of memory that takes all changes), and the static programs by themselves. `scripts/check package` makes them and runs
this; a folder of packages may be named. What cannot be tried here is said in a line `skipped: …`.
"""
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
_, MADE, PART, ARCHITECTURE, *_ = [*sys.argv, *[""] * 4]
MADE = Path(MADE or HERE / "../../target/dist").resolve()
del sys.argv[1:]
DEADLINE_S = 120
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
DATABASE = "/var/lib/queue-work/queue-work.db"
CONFIG = "/etc/queue-work/queue-work.toml"


def run(*words, code=0, **options):
    """What a command says on both streams, which ends with this code."""
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": DEADLINE_S}
    done = subprocess.run([str(word) for word in words], **both, **options)
    assert code is None or done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def wait_for(what, condition):
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until, f"waited {DEADLINE_S} s for {what}"
        time.sleep(0.05)


def newest(pattern):
    found = sorted(MADE.glob(pattern))
    assert found, f"there is no {pattern} in {MADE}; make it with `scripts/package`"
    return found[-1]


class Debian:
    """The system under a layer of its own, with a systemd that runs. This process has mounts of its own, so nothing is left."""

    def __init__(self):
        self.layers = Path(tempfile.mkdtemp(prefix="qw"))
        run("mount", "-t", "tmpfs", "tmpfs", self.layers)
        self.root = self.layers / "root"
        for name in ("upper", "work", "root"):
            (self.layers / name).mkdir()
        layers = f"lowerdir=/,upperdir={self.layers}/upper,workdir={self.layers}/work"
        run("mount", "-t", "overlay", "overlay", self.root, "-o", layers)
        for name in ("etc/machine-id", "usr/sbin/policy-rc.d"):
            (self.root / name).unlink(missing_ok=True)
        self.log = open(self.layers / "log", "w+")
        boot = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe"]
        boot += ["-D", self.root, "--boot", "systemd.unit=basic.target"]
        self.container = subprocess.Popen(boot, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for("systemd", self.is_up)

    def is_up(self):
        return self.init() and self.run("systemctl", "is-system-running", code=None).strip() in ("running", "degraded")

    def init(self):
        """The process that is number 1 in there."""
        def children(pid):
            return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

        for pid in children(self.container.pid):
            for below in [pid, *children(pid)]:
                if Path(f"/proc/{below}/comm").read_text().strip() == "systemd":
                    return below
        return None

    def end(self):
        self.container.terminate()
        try:
            self.container.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.container.kill()
            self.container.wait()

    def run(self, *words, user=None, code=0, **options):
        enter = ["nsenter", "--target", self.init(), *"--mount --uts --ipc --net --pid --cgroup --root --wd".split()]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
        return run(*enter, *clean, *(["runuser", "-u", user, "--"] if user else []), *words, code=code, **options)

    def install(self, deb):
        self.path("/root/new.deb").write_bytes(deb.read_bytes())
        return self.run("dpkg", "--install", "--force-confold", "/root/new.deb")

    def show(self, name, unit="queue-work"):
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def path(self, inside):
        return self.root / inside.lstrip("/")

    def owner(self, inside):
        return self.run("stat", "-c", "%U:%G %a", inside).strip()


def older(deb):
    """The same as the version before, with a configuration that was another then."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        run("dpkg-deb", "--raw-extract", deb, tree)
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 0~"))
        config = tree / CONFIG.lstrip("/")
        config.write_text(config.read_text().replace("workers = 1", "workers = 3"))
        run("dpkg-deb", "--build", "-Znone", "--root-owner-group", tree, MADE / "older.deb")
    return MADE / "older.deb"


class Package(unittest.TestCase):
    """Of this machine's architecture: one step after the other on one system."""

    @classmethod
    def setUpClass(cls):
        cls.debian = Debian()
        cls.addClassCleanup(cls.debian.end)
        cls.deb = newest(f"queue-work_*_{DEBIAN[platform.machine()]}.deb")

    def status(self):
        return json.loads(self.debian.run("queue-work", "status", "--json"))

    def test_1_lintian_finds_no_error(self):
        for deb in MADE.glob("queue-work_*.deb"):
            run("lintian", "--allow-root", "--fail-on", "error", deb)

    def test_2_installed_it_has_a_user_and_units_with_nothing_against_them(self):
        self.debian.install(self.deb)
        self.assertEqual(self.debian.owner("/var/lib/queue-work"), "queue-work:queue-work 750")
        self.assertEqual(self.debian.run("systemctl", "is-enabled", "queue-work", code=1), "disabled\n")
        for unit in ("queue-work.service", "queue-work@app.service"):
            self.assertEqual(self.debian.run("systemd-analyze", "verify", unit), "")
            self.debian.run("systemd-analyze", "security", "--offline=true", "--threshold=40", "--no-pager", unit)
        self.assertIn("push", self.debian.run("gunzip", "-c", "/usr/share/man/man1/queue-work.1.gz"))
        completes = ". /usr/share/bash-completion/completions/queue-work; complete -p queue-work"
        self.assertIn("queue-work", self.debian.run("bash", "-c", completes))

    def test_3_the_service_runs_jobs_as_its_user(self):
        self.debian.run("systemctl", "enable", "--now", "queue-work")
        self.assertEqual(self.debian.show("ActiveState"), "active")
        id = self.debian.run("queue-work", "push", "--", "id", "-un", user="queue-work")
        self.assertEqual(self.debian.run("queue-work", "jobs", "wait", id.strip(), user="queue-work"), "queue-work\n")
        self.assertEqual(self.debian.owner(DATABASE), "queue-work:queue-work 600")

    def test_4_the_service_reloads_and_comes_back_after_it_was_killed(self):
        config = self.debian.path(CONFIG)
        config.write_text(config.read_text().replace("workers = 1", "workers = 2"))
        self.debian.run("systemctl", "reload", "queue-work")
        wait_for("two workers", lambda: self.status()["pools"][0]["ready"] == 2)
        master = self.debian.show("MainPID")
        self.debian.run("kill", "-9", master)
        wait_for("another master", lambda: self.debian.show("MainPID") not in ("0", master))
        wait_for("it to be ready", lambda: self.debian.show("ActiveState") == "active")
        self.assertEqual(self.status()["pools"][0]["wanted"], 2)

    def test_5_a_member_of_the_group_pushes_and_nobody_else_does(self):
        config = self.debian.path(CONFIG)
        config.write_text(config.read_text() + 'kind = "exec"\ncommand = ["echo", "mail to", "{to}"]\n')
        self.debian.run("systemctl", "reload", "queue-work")
        push = ["queue-work", "push", "--wait", "mail", '{"to": "ada"}', "--queue", "default"]
        said = self.debian.run(*push, user="www-data", code=None)
        self.assertIn("usermod -aG queue-work www-data", said)
        self.debian.run("usermod", "-aG", "queue-work", "www-data")
        self.assertIn("mail to ada", self.debian.run(*push, user="www-data"))
        self.debian.run("queue-work", "scale", "2", user="www-data", code=5)

    def test_6_another_instance_has_its_own_configuration_and_database(self):
        text = 'database = "/var/lib/queue-work/app/queue-work.db"\n[pools.app]\nworkers = 1\n'
        self.debian.path("/etc/queue-work/app.toml").write_text(text)
        self.debian.run("systemctl", "start", "queue-work@app")
        said = self.debian.run("queue-work", "--config", "/etc/queue-work/app.toml", "status")
        self.assertIn("/var/lib/queue-work/app/queue-work.db", said)
        self.debian.path("/etc/queue-work/app.toml").unlink()

    def test_7_an_upgrade_keeps_the_configuration_and_the_jobs_and_a_copy_of_the_database(self):
        self.debian.run("dpkg", "--purge", "queue-work")
        self.assertFalse(self.debian.path("/var/lib/queue-work").exists())
        self.debian.install(older(self.deb))
        config = self.debian.path(CONFIG)
        mine = config.read_text() + "# mine\n"
        config.write_text(mine)
        run("sqlite3", self.debian.path(DATABASE), f".read {HERE.parent / 'verbs/released/0.1.0.sql'}")
        self.debian.run("chown", "queue-work:", DATABASE)
        self.debian.run("chmod", "600", DATABASE)
        self.debian.run("systemctl", "start", "queue-work")
        before = self.debian.show("MainPID")
        self.debian.install(self.deb)
        self.assertEqual(config.read_text(), mine)
        self.assertIn("workers = 1", self.debian.path(f"{CONFIG}.dpkg-dist").read_text())
        self.assertNotIn(self.debian.show("MainPID"), ("0", before))
        self.assertIn("welcome-7", self.debian.run("queue-work", "jobs", "show", "4", user="queue-work"))
        self.assertEqual(self.debian.owner(f"{DATABASE}.schema-1"), "queue-work:queue-work 600")

    def test_8_removed_it_leaves_the_jobs_and_purged_it_leaves_nothing(self):
        self.debian.run("dpkg", "--remove", "queue-work")
        self.assertEqual(self.debian.run("pgrep", "queue-work", code=1), "")
        self.assertFalse(self.debian.path("/usr/bin/queue-work").exists())
        self.assertTrue(self.debian.path(DATABASE).exists() and self.debian.path(CONFIG).exists())
        self.debian.run("dpkg", "--purge", "queue-work")
        for path in ("/var/lib/queue-work", "/etc/queue-work", "/usr/share/doc/queue-work"):
            self.assertFalse(self.debian.path(path).exists(), path)


class Static(unittest.TestCase):
    """The program of an archive, by itself."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="qw")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        with tarfile.open(newest(f"*-{ARCHITECTURE}-unknown-linux-musl.tar.gz")) as archive:
            archive.extractall(self.folder, filter="data")
        self.program = next(self.folder.glob("*/queue-work"))
        home = {"QUEUE_WORK_DATABASE": str(self.folder / "q.db"), "HOME": str(self.folder)}
        self.environment = {"PATH": "/usr/bin:/bin", **home}
        self.masters = []

    def tearDown(self):
        for master in self.masters:
            if master.poll() is None:
                master.kill()
            master.communicate(timeout=DEADLINE_S)
        wait_for("no process to be left", lambda: not self.left())

    def left(self):
        """Processes of this test."""
        mine = f"QUEUE_WORK_DATABASE={self.folder / 'q.db'}".encode()

        def is_mine(process):
            try:
                return mine in (process / "environ").read_bytes().split(b"\0")
            except OSError:
                return False
        return [process.name for process in Path("/proc").glob("[0-9]*") if is_mine(process)]

    def run_it(self, *words, code=0, **options):
        return run(self.program, *words, code=code, env=self.environment, cwd=self.folder, **options)

    def start(self, *words):
        master = subprocess.Popen([self.program, *words], env=self.environment, cwd=self.folder, stderr=subprocess.PIPE, text=True)
        self.masters.append(master)
        for line in master.stderr:
            if "runs on" in line:
                return master
        raise AssertionError("the master ended")

    def json(self, *words):
        return json.loads(self.run_it(*words, "--json"))

    def test_it_needs_no_library_and_no_file(self):
        self.assertNotIn("INTERP", run("readelf", "--program-headers", self.program))
        (self.folder / "root").mkdir()
        (self.folder / "root/queue-work").write_bytes(self.program.read_bytes())
        (self.folder / "root/queue-work").chmod(0o755)
        said = run(shutil.which("chroot"), self.folder / "root", "/queue-work", "--database", "/q.db", "push", "t", env={})
        self.assertEqual(said, "1\n")

    def test_it_drains_and_recycles(self):
        self.run_it("push", "--lines", "--", "echo", "{}", input="a line\n" * 20)
        self.run_it("--workers", "2", "--queue", "default", "--max-jobs", "3", "--drain")
        self.assertEqual(self.run_it("jobs", "wait", "20"), "a line\n")
        ends = [worker["reason"] for worker in self.json("workers")]
        self.assertIn("max_jobs", ends)

    def test_a_master_that_is_killed_leaves_nothing_and_the_next_one_does_its_job(self):
        self.run_it("push", "--", "sh", "-c", "test -e again || { touch again; exec sleep 1000; }")
        master = self.start("--workers", "1", "--queue", "default")
        wait_for("the job to run", lambda: (self.folder / "again").exists())
        master.send_signal(signal.SIGKILL)
        wait_for("no process to be left", lambda: not self.left())
        self.run_it("--workers", "1", "--queue", "default", "--drain")
        self.assertEqual(self.json("jobs", "show", "1")["state"], "succeeded")

    def test_it_reloads(self):
        config = self.folder / "queue-work.toml"
        config.write_text("[pools.default]\nworkers = 1\n")
        self.start()
        config.write_text("[pools.default]\nworkers = 2\n")
        self.run_it("reload")
        wait_for("two workers", lambda: self.json("status")["pools"][0]["ready"] == 2)
        self.run_it("stop")


EMULATED = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"


def emulate(architecture):
    """Has the kernel run programs of another architecture, in this user namespace only."""
    run("mount", "-t", "binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc")
    emulator = f"/usr/bin/qemu-{architecture}-static"
    Path("/proc/sys/fs/binfmt_misc/register").write_text(f":{architecture}:M::{EMULATED}:{MASK}:{emulator}:F")


def missing():
    """What the tests of the packages need and is not there."""
    if os.geteuid() != 0:
        return "the packages are installed by root"
    programs = ("systemd-nspawn", "lintian", "sqlite3")
    return next((f"`{program}` is not installed" for program in programs if not shutil.which(program)), None)


def main():
    """Each part in a process with mounts of its own; in that process `PART` says which it is."""
    if PART:
        if PART == "Static" and ARCHITECTURE != platform.machine():
            emulate(ARCHITECTURE)
        unittest.main(defaultTest=PART, verbosity=2)
    parts = []
    if missing():
        print(f"skipped: packages are not tried: {missing()}")
    else:
        parts.append(["unshare", "--mount", sys.executable, "-B", __file__, MADE, "Package", platform.machine()])
    alone = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-B", __file__, MADE, "Static"]
    for architecture in DEBIAN:
        if not list(MADE.glob(f"*-{architecture}-unknown-linux-musl.tar.gz")):
            continue
        if architecture != platform.machine() and not shutil.which(f"qemu-{architecture}-static"):
            print(f"skipped: the program for {architecture} is not tried: `qemu-{architecture}-static` is not installed")
        else:
            parts.append([*alone, architecture])
    sys.exit(max(subprocess.run(part).returncode for part in parts))


if __name__ == "__main__":
    main()

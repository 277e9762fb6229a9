//! A group that may use the socket: a web user pushes, a worker user runs. Needs root, to be several users.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::peer::socket;
use crate::support::{Bench, DEADLINE, Master, Run};

/// Users that own nothing else: the one whose master it is, one of the group, one of another group.
const OWNER: u32 = 64130;
const MEMBER: u32 = 64131;
const STRANGER: u32 = 64132;
/// A group that every Debian has, and its number.
const GROUP: &str = "www-data";

struct Shop {
    bench: Bench,
    group: u32,
}

impl Shop {
    /// A database in a folder of the owner's, with a configuration; `None` where users cannot be played.
    fn open(config: &str) -> Option<Self> {
        let found = nix::unistd::Group::from_name(GROUP).ok().flatten();
        let Some(group) = found.filter(|_| nix::unistd::geteuid().is_root()) else {
            println!("skipped: to be several users takes root and the group {GROUP}");
            return None;
        };
        let bench = Bench::with_database("store/q.db");
        fs::set_permissions(bench.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        let folder = bench.database().parent().expect("a folder");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("ours");
        chown(folder, Some(OWNER), Some(OWNER)).expect("we are root");
        fs::write(bench.path().join("queue-work.toml"), config).expect("written");
        // The sources and the binary may lie where nobody else can reach them. Copied by a process of its own: a child of
        // another thread must not have it open to be written to.
        let mut copy = Command::new("cp");
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        copy.arg(env!("CARGO_BIN_EXE_queue-work")).args(["says.py", "protocol.py"].map(|name| fixtures.join(name)));
        assert!(copy.arg(bench.path()).status().expect("cp").success());
        Some(Self { bench, group: group.gid.as_raw() })
    }

    /// What makes a process one of this user's.
    fn user(uid: u32, group: u32) -> Vec<String> {
        let ids = [format!("--reuid={uid}"), format!("--regid={uid}"), format!("--groups={group}")];
        let shell = ["sh", "-c", "shift && umask 0 && exec ./queue-work \"$@\"", "sh"].map(str::to_owned);
        std::iter::once("setpriv".to_owned()).chain(ids).chain(shell).collect()
    }

    fn run(&self, (uid, group): (u32, u32), words: &[&str]) -> Run {
        let out = self.bench.command_as(&Self::user(uid, group), words).output().expect("setpriv");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Run { stdout: text(out.stdout), stderr: text(out.stderr), code: out.status.code().unwrap_or(-1) }
    }

    fn as_member(&self, words: &[&str]) -> Run {
        self.run((MEMBER, self.group), words)
    }

    fn start(&self) -> Master<'_> {
        self.bench.start_as(&Self::user(OWNER, self.group), &[])
    }
}

const PROCESSOR: &str = "[processors.ocr]\nevery = \"1h\"\ncommand = [\"true\"]\n";

/// A pool whose workers print what they are told, and answer with the id of the job.
fn config() -> String {
    format!(
        "socket_group = \"{GROUP}\"\n[pools.default]\nworkers = 1\ncommand = [\"python3\", \"-B\", \"says.py\"]\n{PROCESSOR}"
    )
}

fn owner_group_mode(path: &Path) -> Option<(u32, u32, u32)> {
    let about = path.symlink_metadata().ok()?;
    Some((about.uid(), about.gid(), about.permissions().mode() & 0o777))
}

#[test]
fn a_member_of_the_group_pushes_and_looks_and_changes_nothing() {
    let Some(shop) = Shop::open(&config()) else { return };
    let _master = shop.start();
    assert_eq!(owner_group_mode(&socket(&shop.bench)), Some((OWNER, shop.group, 0o660)));
    assert_eq!(shop.as_member(&["push", "mail", "{\"to\":7}"]).expect_code(0).stdout, "1\n");
    assert_eq!(shop.as_member(&["push", "--wait", "mail"]).expect_code(0).stdout, "2\n");
    let many = shop.bench.path().join("many");
    fs::write(&many, "{\"type\":\"mail\"}\n".repeat(3)).expect("written");
    for words in [&["push", "--jsonl", "--file", "many"][..], &["push", "--jsonl", "--stream", "--file", "many"]] {
        shop.as_member(words).expect_code(0);
    }
    shop.bench.wait_for("the jobs to be done", DEADLINE, |b| b.status()["queues"][0]["succeeded_total"] == 8);
    let reads = [
        (&["status"][..], "default-1"),
        (&["jobs", "list"], "mail"),
        (&["jobs", "show", "1"], "succeeded"),
        (&["jobs", "wait", "2"], "2\n"),
        (&["runs", "--job", "2"], "default-1"),
        (&["workers"], "default-1"),
        (&["autoscale", "--history", "1h", "--json"], "[]"),
        (&["metrics"], "queue_work_store_size_bytes"),
        (&["processors"], "every 1h"),
        (&["processors", "show", "ocr"], "every 1h"),
        (&["processors", "next", "ocr"], "in 1h"),
        (&["processors", "runs", "--json"], "[]"),
    ];
    for (words, said) in reads {
        let run = shop.as_member(words).expect_code(0);
        assert!(run.stdout.contains(said), "{words:?}: {run:?}");
    }
    assert!(shop.as_member(&["jobs", "show", "99"]).expect_code(4).stderr.contains("there is no job 99"));
    assert!(shop.as_member(&["jobs", "list", "--queue", "defualt"]).expect_code(4).stderr.contains("`default`"));
    let changes = [
        &["scale", "2"][..],
        &["spawn", "--queue", "x"],
        &["work"],
        &["restart", "--all"],
        &["stop"],
        &["pause", "default"],
        &["resume", "default"],
        &["jobs", "cancel", "1"],
        &["jobs", "retry", "1"],
        &["jobs", "set", "1", "--priority", "3"],
        &["jobs", "delete", "1"],
        &["processors", "disable", "ocr"],
        &["processors", "run", "ocr"],
        &["processors", "begin", "ocr"],
        &["processors", "end", "1"],
    ];
    for words in changes {
        let run = shop.as_member(words).expect_code(5);
        let who = format!("only `{OWNER}`, whose master this is, and root may do this");
        assert!(run.stderr.contains(&who) && run.stderr.contains(GROUP), "{words:?}: {run:?}");
    }
    assert_eq!(shop.bench.job(1)["state"], "succeeded");
    let run = shop.as_member(&["processors", "wrap", "ocr", "--", "echo", "did it"]).expect_code(0);
    assert!(run.stdout == "did it\n" && run.stderr.contains("the run is not recorded"), "{run:?}");
}

#[test]
fn a_member_is_told_as_much_of_the_past_as_the_owner() {
    let Some(shop) = Shop::open(&config().replace("workers = 1\n", "autoscale = \"1..4\"\n")) else { return };
    let _master = shop.start();
    shop.as_member(&["push", "--wait", "mail"]).expect_code(0);
    shop.bench.ok(&["scale", "2", "--pool", "default", "--hold", "1h"]);
    let changes = ["autoscale", "--history=7d", "--limit=20000", "--json"];
    let scaled = |b: &Bench| b.run(&changes).stdout.contains("\"wanted\"");
    shop.bench.wait_for("the change to be on record", DEADLINE, scaled);
    let store = rusqlite::Connection::open(shop.bench.database()).expect("ours");
    store.busy_timeout(DEADLINE).expect("set");
    let many = "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 10050)";
    store
        .execute_batch(&format!(
            "{many} INSERT INTO autoscale_log (id, at, pool, was, wanted, cause, lambda, ready, busy)
                 SELECT -n, at, pool, 1, 2, cause, 0, 0, 0 FROM many, (SELECT * FROM autoscale_log LIMIT 1);
             {many} INSERT INTO workers (id, pool, slot, pid, generation, started_at, ended_at, reason)
                 SELECT -n, pool, n, 1, 1, started_at - 1000000000, started_at, 0
                 FROM many, (SELECT * FROM workers LIMIT 1) WHERE n <= 60"
        ))
        .expect("the tables are there");
    drop(store);
    let count = |run: &Run| run.json().as_array().map_or(0, Vec::len);
    let told = count(&shop.as_member(&changes).expect_code(0));
    assert!(told > 10_050 && told == count(&shop.bench.run(&changes)), "{told}");
    let replay = ["autoscale", "--replay", "--json"];
    let past = |run: &Run| run.json()[0]["then"].clone();
    let (of_member, of_owner) = (past(&shop.as_member(&replay).expect_code(0)), past(&shop.bench.run(&replay)));
    assert_eq!(of_member["changes"], of_owner["changes"]);
    let hours = [&of_member, &of_owner].map(|then| then["worker_hours"].as_f64().expect("a number"));
    assert!(hours[0] > 16.0 && (hours[0] - hours[1]).abs() < 0.1, "{hours:?}");
}

#[test]
fn a_command_of_a_member_is_refused_whichever_way_it_comes() {
    let Some(shop) = Shop::open(&config()) else { return };
    let _master = shop.start();
    let lines = shop.bench.path().join("lines");
    fs::write(&lines, "{\"type\":\"mail\"}\n{\"type\":\"exec\",\"args\":{\"argv\":[\"id\"]}}\n").expect("written");
    let ways = [
        &["push", "--", "id"][..],
        &["push", "exec", "{\"argv\":[\"id\"]}"],
        &["push", "--jsonl", "--file", "lines"],
        &["push", "--jsonl", "--stream", "--file", "lines"],
    ];
    for words in ways {
        let run = shop.as_member(words).expect_code(5);
        assert!(run.stderr.contains(&format!("a command would run as `{OWNER}`")), "{words:?}: {run:?}");
        assert!(run.stderr.contains("`queue-work push TYPE [JSON]`"), "{words:?}: {run:?}");
    }
    assert_eq!(shop.bench.ok(&["jobs", "list", "--json", "--type", "exec"]).trim(), "[]");
    assert_eq!(shop.bench.push(&["--", "id"]), shop.bench.push(&["--", "id"]) - 1, "root may");
}

#[test]
fn a_member_follows_the_log_and_is_told_whose_the_files_are() {
    let Some(shop) = Shop::open(&config()) else { return };
    let _master = shop.start();
    let says = ["push", "--wait", "mail", "{\"out\": [\"heard\"]}"];
    shop.as_member(&says).expect_code(0);
    shop.bench.wait_for("the log", DEADLINE, |b| !b.ok(&["logs"]).is_empty());
    let closed = shop.as_member(&["logs"]).expect_code(1).stderr;
    assert!(closed.contains(&format!("q.db.logs`, which belongs to `{OWNER}` (mode 0700)")), "{closed}");
    assert!(closed.contains("`queue-work logs -f`"), "{closed}");
    let heard = shop.bench.path().join("heard");
    let mut follow = shop.bench.command_as(&Shop::user(MEMBER, shop.group), &["logs", "-f"]);
    let out = fs::File::create(&heard).expect("a file");
    let mut follow = follow.stdout(out).stderr(std::process::Stdio::null()).spawn().expect("setpriv");
    shop.bench.wait_for("the line", DEADLINE, |_| {
        shop.as_member(&says).expect_code(0);
        fs::read_to_string(&heard).is_ok_and(|text| text.contains("heard"))
    });
    follow.kill().and_then(|()| follow.wait().map(drop)).expect("our child");
}

#[test]
fn who_is_not_of_the_group_is_told_which_it_is_and_how_to_become_one_of_it() {
    let Some(shop) = Shop::open(&config()) else { return };
    let _master = shop.start();
    let words = [&["push", "mail"][..], &["status"], &["jobs", "list"], &["runs"], &["stop"], &["logs", "-f"]];
    for words in words {
        let run = shop.run((STRANGER, STRANGER), words).expect_code(1);
        let who = format!("it is for `{OWNER}` and the group `{GROUP}` (mode 0660); you are `{STRANGER}`");
        assert!(run.stderr.contains(&who), "{words:?}: {run:?}");
        assert!(run.stderr.contains(&format!("`sudo usermod -aG {GROUP} {STRANGER}`")), "{words:?}: {run:?}");
    }
}

#[test]
fn who_is_not_of_the_group_is_refused_whatever_the_mode_says() {
    let Some(shop) = Shop::open(&config()) else { return };
    let _master = shop.start();
    for mode in [0o666, 0o660] {
        fs::set_permissions(socket(&shop.bench), fs::Permissions::from_mode(mode)).expect("we are root");
        let run = shop.run((STRANGER, STRANGER), &["push", "mail"]);
        assert!(run.code != 0 && run.stdout.is_empty(), "{run:?}");
    }
    assert_eq!(shop.as_member(&["push", "mail"]).expect_code(0).stdout, "1\n");
}

#[test]
fn the_socket_has_its_group_from_the_moment_it_is_seen_and_after_a_restart_and_comes_back_with_it() {
    let Some(shop) = Shop::open(&config()) else { return };
    let path = socket(&shop.bench);
    for _ in 0..2 {
        let user = Shop::user(OWNER, shop.group);
        let mut child = shop.bench.command_as(&user, &["-q"]).spawn().expect("setpriv");
        let mut first = None;
        shop.bench.wait_for("the socket", DEADLINE, |_| {
            first = owner_group_mode(&path);
            first.is_some()
        });
        assert_eq!(first, Some((OWNER, shop.group, 0o660)));
        shop.as_member(&["push", "mail"]).expect_code(0);
        shop.bench.ok(&["stop"]);
        child.wait().expect("our child");
    }
    let mut master = shop.start();
    fs::remove_file(&path).expect("removed");
    shop.bench.wait_for("the socket", DEADLINE, |_| path.exists());
    assert_eq!(owner_group_mode(&path), Some((OWNER, shop.group, 0o660)));
    shop.as_member(&["push", "mail"]).expect_code(0);
    master.signal(Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    let alone = shop.as_member(&["push", "mail"]).expect_code(1).stderr;
    assert!(alone.contains(&format!("belongs to `{OWNER}` (mode 0600)")), "{alone}");
    assert!(alone.contains("no master answers that could be asked instead"), "{alone}");
}

#[test]
fn a_member_who_does_not_see_the_database_trusts_the_owner_of_the_folder_of_the_socket_if_nobody_else_made_it() {
    let Some(shop) = Shop::open(&config()) else { return };
    let Ok(private) = tempfile::Builder::new().prefix("qw").tempdir_in("/run") else {
        println!("skipped: no folder can be made in /run");
        return;
    };
    let store = shop.bench.database().parent().expect("a folder");
    let shared = shop.bench.path().join("shared");
    fs::create_dir(&shared).expect("a folder");
    // Below a folder in which everybody makes files, as that of the bench, another may have made it.
    for (folder, code) in [(private.path(), 0), (shared.as_path(), 5)] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("ours");
        chown(folder, Some(OWNER), Some(OWNER)).expect("we are root");
        fs::set_permissions(store, fs::Permissions::from_mode(0o700)).expect("ours");
        let place = folder.join("s.sock");
        let place = ["--socket", place.to_str().expect("UTF-8")];
        let mut master = shop.bench.start_as(&Shop::user(OWNER, shop.group), &place);
        for words in [&["push", "--wait", "mail"][..], &["status"], &["jobs", "list"], &["runs"]] {
            let run = shop.as_member(&[&place[..], words].concat());
            let refused = run.stderr.contains(&format!("user {OWNER} listens there"));
            let closed = run.stderr.contains("permission denied") && run.code == 1;
            assert!(run.code == code && (code == 0 || refused) || code == 5 && closed, "{words:?}: {run:?}");
        }
        master.signal(Signal::SIGTERM);
        assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    }
}

#[test]
fn a_group_that_is_not_known_or_cannot_be_given_is_refused_at_the_start() {
    let Some(shop) = Shop::open("\nsocket_group = \"nosuchgroup\"\n") else { return };
    for words in [&["config", "check"][..], &[]] {
        let said = shop.run((OWNER, shop.group), words).expect_code(2).stderr;
        assert!(said.contains("queue-work.toml:2: there is no group `nosuchgroup`; make it with `groupadd`"), "{said}");
    }
    let flag = shop.run((OWNER, shop.group), &["--socket-group", "nosuchgroup"]).expect_code(2).stderr;
    assert!(flag.contains("`--socket-group`: there is no group `nosuchgroup`"), "{flag}");
    let not_ours = shop.run((OWNER, OWNER), &["--socket-group", GROUP]).expect_code(2).stderr;
    assert!(not_ours.contains(&format!("`{OWNER}` is not one of the group `{GROUP}`")), "{not_ours}");
    assert!(not_ours.contains(&format!("`sudo usermod -aG {GROUP} {OWNER}`")), "{not_ours}");
    assert!(!shop.bench.database().exists(), "nothing was begun");
}

#[test]
fn a_folder_that_keeps_the_group_from_the_socket_is_named() {
    let Some(shop) = Shop::open(&config()) else { return };
    let folder = shop.bench.database().parent().expect("a folder");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("ours");
    let said = shop.run((OWNER, shop.group), &["config", "check"]).expect_code(0).stderr;
    let next = format!("chmod o+x '{}'", folder.canonicalize().expect("a folder").display());
    assert!(said.contains("(mode 0700) keeps the group `www-data` from the socket") && said.contains(&next), "{said}");
    let member = shop.as_member(&["status"]).expect_code(1).stderr;
    assert!(member.contains("permission denied: the folder"), "{member}");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o750)).expect("ours");
    chown(folder, None, Some(shop.group)).expect("we are root");
    let stranger = shop.run((STRANGER, STRANGER), &["status"]).expect_code(1).stderr;
    assert!(stranger.contains(&format!("`sudo usermod -aG {GROUP} {STRANGER}`")), "{stranger}");
    chown(folder, None, Some(OWNER)).expect("we are root");
    assert!(Command::new("sh").args(["-c", &next]).status().expect("sh").success());
    assert_eq!(shop.run((OWNER, shop.group), &["config", "check"]).expect_code(0).stderr, "");
}

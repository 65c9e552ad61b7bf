//! A PostgreSQL that goes where its address goes, with Debian's agent unmodified.
//!
//! ```text
//!  storage, a directory --- bound on alice --- PostgreSQL --- 10.9.0.50 --- client asks for rows
//!  that both could reach -- bound on bob
//! ```
//!
//! The nodes share processes' ids and System V memory, so a second postmaster on the same directory would be refused by
//! PostgreSQL itself, and its log would tell.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hbd_tests::error::{self, Error};
use hbd_tests::precondition::{POSTGRES_USER, postgresql};
use hbd_tests::scratch;
use hbd_tests::scratch::Scratch;
use hbd_tests::{program, wait};

use crate::stage::{
    ALICE, BASE, BOB, LEASE, NO_GAP, NODES, SECOND, Stage, WEB, WEB_GROUP, demand, limit, play,
};

/// Until a row can be had again: deadtime or a move, the start of a database that may have to recover, and agents that
/// look once a second.
const SERVED: Duration = Duration::from_secs(10);
/// The client gives up one question after so many seconds.
const PATIENCE: &str = "2";
/// What PostgreSQL writes when it is ready, and when it finds another one on its directory.
const READY: &str = "database system is ready to accept connections";
const REFUSED: [&str; 2] = ["lock file", "pre-existing shared memory block"];

pub(crate) fn moves_with_its_address() -> Result<(), Error> {
    let storage = Storage::new()?;
    let played = play("auto_failback off", |stage| {
        stage.write_haresources(&storage.haresources())?;
        for node in [ALICE, BOB] {
            scratch::write_script(&stage.config(node, "resource.d/storage"), &storage.script())?;
        }
        stage.daemons.iter_mut().try_for_each(|d| d.start())?;
        stage.both_active()?;
        storage.ask(
            stage,
            "create table if not exists kept (word text unique)",
            ALICE,
        )?;
        storage.put("on alice", stage, ALICE)?;
        storage.demand_rows("on alice", stage, ALICE)?;
        after_death(stage, &storage)?;
        after_move(stage, &storage)?;
        // Who leaves last hands nothing over.
        for node in [BOB, ALICE] {
            stage.daemons[node].terminate(limit(SERVED))?;
        }
        demand(storage.postmasters()?.is_empty(), "nothing runs of it")?;
        storage.demand_starts(3)
    });
    played.map_err(|error| Error::Unexpected(format!("{error}\n--- PostgreSQL\n{}", storage.log())))
}

/// Alice loses power, bob has what was written on her; she returns, and he keeps it.
fn after_death(stage: &mut Stage, storage: &Storage) -> Result<(), Error> {
    let dead = stage.now();
    stage.plug(ALICE, false)?;
    stage.daemons[ALICE].crash()?;
    storage.demand_rows("on alice", stage, BOB)?;
    let took = stage.now().saturating_sub(dead);
    println!("after the death of its node rows were read after {took:.3?}");
    storage.put("on bob", stage, BOB)?;

    stage.changed(WEB, (ALICE, false), dead, LEASE + limit(SECOND))?;
    stage.plug(ALICE, true)?;
    let returned = stage.now();
    stage.daemons[ALICE].start()?;
    stage.both_active()?;
    stage.settled([BOB, BOB])?;
    stage.seen(|record| record.demand_unchanged(returned))??;
    storage.demand_rows("on alice on bob", stage, BOB)
}

/// It goes back by order.
fn after_move(stage: &Stage, storage: &Storage) -> Result<(), Error> {
    let ordered = stage.now();
    stage.order_move(BOB, WEB_GROUP, ALICE)?;
    storage.demand_rows("on alice on bob", stage, ALICE)?;
    let took = stage.now().saturating_sub(ordered);
    println!("after a move rows were read after {took:.3?}");
    stage.seen(|record| record.demand_handed_over(WEB, (BOB, ALICE), ordered))??;
    stage.settled([ALICE, BOB])?;
    stage.demand_gaps(&[BASE], ordered, NO_GAP)?;
    Ok(())
}

/// What both nodes can reach, and one of them binds to where PostgreSQL looks for it.
struct Storage {
    programs: PathBuf,
    scratch: Scratch,
}

impl Storage {
    /// An empty database.
    fn new() -> Result<Self, Error> {
        let storage = Self {
            programs: postgresql().map_err(Error::Unexpected)?,
            scratch: Scratch::new()?,
        };
        for name in ["storage", "bound"] {
            storage.scratch.directory(name)?;
        }
        let path = storage.storage().to_string_lossy().into_owned();
        program::run("chown", &[POSTGRES_USER, &path])?;
        let initdb = storage.programs.join("initdb");
        let initdb = ["--auth=trust", "--no-sync", "--locale=C", "--pgdata=data"]
            .iter()
            .fold(initdb.to_string_lossy().into_owned(), |line, word| {
                format!("{line} {word}")
            });
        let settings = format!(
            "listen_addresses = '*'\nunix_socket_directories = '{}'\nmax_connections = 10\n\
             dynamic_shared_memory_type = mmap\n",
            storage.bound().display()
        );
        let script = "cd \"$1\" && umask 077 && $2 >initdb.log 2>&1 && printf %s \"$3\" >>data/postgresql.conf && \
             echo 'host all all 10.9.0.0/24 trust' >>data/pg_hba.conf";
        program::run(
            "runuser",
            &[
                "-u",
                POSTGRES_USER,
                "--",
                "sh",
                "-c",
                script,
                "sh",
                &path,
                &initdb,
                &settings,
            ],
        )?;
        Ok(storage)
    }

    /// A machine beside the nodes asks the address until it answers, and then the database runs on that node alone.
    fn ask(&self, stage: &Stage, question: &str, node: usize) -> Result<String, Error> {
        let psql = self.programs.join("psql");
        let psql = psql.to_string_lossy();
        let server = format!(
            "host={WEB} user={POSTGRES_USER} dbname=postgres connect_timeout={PATIENCE} \
             options='-c statement_timeout={PATIENCE}s'"
        );
        let words = [PATIENCE, &psql, "-XAtq", "-d", &server, "-c", question];
        let condition = format!("{} answers {question:?}", NODES[node]);
        wait::until(limit(SERVED), &condition, || {
            self.demand_alone()?;
            let answer = stage.ask("timeout", &words).ok();
            let runs = self.demand_alone()?;
            let here = stage.machines[node].pids()?;
            Ok(answer.filter(|_| runs.is_some_and(|pid| here.contains(&pid))))
        })
    }

    /// A question may be asked twice, so a row is one that can be written twice.
    fn put(&self, row: &str, stage: &Stage, node: usize) -> Result<(), Error> {
        let question = format!("insert into kept values ('{row}') on conflict do nothing");
        self.ask(stage, &question, node).map(drop)
    }

    fn demand_rows(&self, rows: &str, stage: &Stage, node: usize) -> Result<(), Error> {
        let answer = self.ask(stage, "select word from kept order by word", node)?;
        let found = answer.lines().collect::<Vec<_>>().join(" ");
        demand(found == rows, &format!("rows are {rows:?}, not {found:?}"))
    }

    /// Demands that no more than one runs; returns its first process.
    fn demand_alone(&self) -> Result<Option<i32>, Error> {
        let runs = self.postmasters()?;
        demand(runs.len() <= 1, &format!("one runs at a time: {runs:?}"))?;
        Ok(runs.first().copied())
    }

    fn storage(&self) -> PathBuf {
        self.scratch.path().join("storage")
    }

    /// Empty where it is not mounted.
    fn bound(&self) -> PathBuf {
        self.scratch.path().join("bound")
    }

    fn haresources(&self) -> String {
        let (bound, programs) = (self.bound(), &self.programs);
        let (bound, programs) = (bound.display(), programs.display());
        format!(
            "alice 10.9.0.50/24/eth0 storage \
             ocf:heartbeat:pgsql::pgctl={programs}/pg_ctl::psql={programs}/psql::pgdata={bound}/data\
             ::socketdir={bound}::logfile={bound}/log::pgdba={POSTGRES_USER}\n\
             bob 10.9.0.51/24/eth0 Dummy::base\n"
        )
    }

    /// What binds it, for the node that runs it alone.
    fn script(&self) -> String {
        let (storage, bound) = (self.storage(), self.bound());
        let (storage, bound) = (storage.display(), bound.display());
        format!(
            "#!/bin/sh\n\
             case $1 in\n\
             start) mountpoint -q {bound} || mount --bind {storage} {bound} ;;\n\
             stop) ! mountpoint -q {bound} || umount {bound} ;;\n\
             status) if mountpoint -q {bound}; then echo running; else echo stopped; fi ;;\n\
             esac\n"
        )
    }

    /// The first process of each PostgreSQL that works on the directory.
    fn postmasters(&self) -> Result<Vec<i32>, Error> {
        let data = self.storage().join("data");
        let data = error::file("look at the database", fs::metadata(data))?;
        let works_there = |pid: i32| {
            let process = PathBuf::from(format!("/proc/{pid}"));
            let program = fs::read_link(process.join("exe")).unwrap_or_default();
            let there = fs::metadata(process.join("cwd"));
            program.ends_with("postgres")
                && there.is_ok_and(|at| (at.dev(), at.ino()) == (data.dev(), data.ino()))
        };
        let processes = error::file("list processes", fs::read_dir("/proc"))?;
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let pids: Vec<i32> = pids.filter(|pid| works_there(*pid)).collect();
        // What one forked is its child.
        let first = |pid: &i32| parent(*pid).is_some_and(|parent| !pids.contains(&parent));
        Ok(pids.iter().copied().filter(first).collect())
    }

    /// Demands that PostgreSQL was started so often, and always found itself alone.
    fn demand_starts(&self, expected: usize) -> Result<(), Error> {
        let log = self.log();
        let starts = log.lines().filter(|line| line.contains(READY)).count();
        demand(
            starts == expected,
            &format!("it was started {expected} times, not {starts}"),
        )?;
        let mut lines = log.lines().filter(|line| line.contains("FATAL"));
        let refused = lines.find(|line| REFUSED.iter().any(|word| line.contains(word)));
        demand(
            refused.is_none(),
            &format!("no second was started: {refused:?}"),
        )
    }

    fn log(&self) -> String {
        fs::read_to_string(self.storage().join("log")).unwrap_or_default()
    }
}

impl Drop for Storage {
    /// Of a PostgreSQL that was killed a piece of System V memory stays. Its key is the number of the directory.
    fn drop(&mut self) {
        let Ok(data) = fs::metadata(self.storage().join("data")) else {
            return;
        };
        let all = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
        for line in all.lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            if let [key, id, _, _, _, _, "0", ..] = fields[..]
                && key.parse() == Ok(data.ino())
            {
                let _ = program::output("ipcrm", &["-m", id]);
            }
        }
    }
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

//! A long day in little time: mixed load, while memory, descriptors, threads and the spool's file
//! are watched. After warming up they stay as they are.

use super::crashes::{Left, Load, assert_all_is_right, under_load};
use super::form::{Chances, in_form};
use super::shop;
use super::stage::Stage;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Seconds since the beginning.
    at: f64,
    /// Resident memory, in KiB.
    memory: f64,
    descriptors: f64,
    threads: f64,
    /// Bytes of the spool's files, where it has files.
    spool: f64,
}

/// The spool's files, with SQLite.
const SPOOL: [&str; 2] = ["relay.db-spool", "relay.db-spool-wal"];

fn size(file: &Path) -> f64 {
    let bytes = std::fs::metadata(file).map_or(0, |file| file.len());
    f64::from(u32::try_from(bytes).expect("less than four gigabytes"))
}

fn u32_of(number: usize) -> u32 {
    u32::try_from(number).expect("few")
}

fn held_by(pid: u32, files: &Path, since: Instant) -> Held {
    let folder = Path::new("/proc").join(pid.to_string());
    let status = std::fs::read_to_string(folder.join("status")).expect("it runs");
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        let number = line.split_whitespace().nth(1).expect("a number");
        number.parse::<f64>().expect("a number")
    };
    let descriptors = std::fs::read_dir(folder.join("fd")).expect("it runs").count();
    Held {
        at: since.elapsed().as_secs_f64(),
        memory: number("VmRSS:"),
        descriptors: f64::from(u32_of(descriptors)),
        threads: number("Threads:"),
        spool: SPOOL.iter().map(|name| size(&files.join(name))).sum(),
    }
}

/// By how much a figure grows in a minute: the straight line through all of it.
fn growth(held: &[Held], figure: impl Fn(&Held) -> f64) -> f64 {
    let count = f64::from(u32_of(held.len()));
    let mean_at = held.iter().map(|one| one.at).sum::<f64>() / count;
    let mean = held.iter().map(&figure).sum::<f64>() / count;
    let (mut over, mut under) = (0.0, 0.0);
    for one in held {
        over += (one.at - mean_at) * (figure(one) - mean);
        under += (one.at - mean_at).powi(2);
    }
    60.0 * over / under
}

fn most(held: &[Held], figure: impl Fn(&Held) -> f64) -> f64 {
    held.iter().map(figure).fold(0.0, f64::max)
}

/// Watches a process until so long after `since`.
async fn watch(stage: &Stage, since: Instant, until: Duration, held: &mut Vec<Held>) {
    let pid = stage.relay().pid();
    while since.elapsed() < until {
        tokio::time::sleep(EVERY).await;
        held.push(held_by(pid, stage.folder(), since));
    }
}

/// How often a look is taken.
const EVERY: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_work_leaves_the_relay_as_it_was() {
    let chances = Chances::of("soak");
    let (rounds, at_once) = (in_form(2, 10), in_form(3, 6));
    let seconds = in_form(20, 600);
    // Long enough for a client that the machine has kept waiting.
    let ttl = [("RELAY_SPOOL_TTL_SECS", in_form("10", "60"))];
    let stage = Stage::set_with(rounds * at_once, 1, &ttl).await;
    stage.open().await;
    let (since, mut held) = (Instant::now(), Vec::new());
    let mut left = Left::default();
    // People come and go: what one has bought and written in a lifetime would grow without end.
    for round in 0..rounds {
        let people = round * at_once..(round + 1) * at_once;
        let until = Duration::from_secs(seconds) * u32_of(round + 1) / u32_of(rounds);
        let load = Load { people: people.clone(), months: 3 };
        let watching = watch(&stage, since, until, &mut held);
        let this = under_load(&stage, load, &chances, watching).await;
        left.seen.extend(this.seen);
        left.acknowledged.extend(this.acknowledged);
        stage.people[people].iter().for_each(|one| shop::cancel_all(&stage.sandbox.stripe, one));
    }
    let begun = left.seen.len();
    // What is no longer in the spool cannot be read again.
    left.seen.clear();
    assert_all_is_right(&stage, &left).await;
    let warm = &held[held.len() / 3..];
    let memory = growth(warm, |one| one.memory);
    println!(
        "{begun} generations in {seconds} s: {:.0} KiB at most, {memory:+.0} KiB a minute; {:.0} \
         descriptors, {:.0} threads at most",
        most(&held, |one| one.memory),
        most(&held, |one| one.descriptors),
        most(&held, |one| one.threads),
    );
    // In the short form caches are still filling; in the long one nothing is.
    assert!(memory < in_form(60_000.0, 1_000.0), "memory grows: {held:#?}");
    let (early, late) = (&held[..held.len() / 2], &held[held.len() / 2..]);
    let (before, after) = (most(early, |one| one.descriptors), most(late, |one| one.descriptors));
    assert!(after <= before + 30.0, "descriptors stay open: {before} and then {after}");
    let (before, after) = (most(early, |one| one.threads), most(late, |one| one.threads));
    assert!(after <= before + 8.0, "threads stay: {before} and then {after}");
    // What has gone from the spool is gone from its files, and their room is used again.
    let (before, after) = (most(early, |one| one.spool), most(late, |one| one.spool));
    assert!(after <= before * 1.5 + 4_194_304.0, "the spool grows: {before} and then {after}");
}

//! Several processes that tune together: `mpirun cnnc tune`.
//!
//! The first rank searches, keeps the trials, writes the locks and is the only one to print; the others compile and
//! measure for it. Without the feature `mpi` there is one rank, and being started as several is an error: they would all
//! do the same.

#[cfg(feature = "mpi")]
mod mpi;

use super::observer::Watch;
use cnnc_autotune::Setting;
use cnnc_autotune::worker::ranks::{Able, Crew, Place, Post, Rank};
use cnnc_autotune::worker::{Pool, PoolOptions, Tally};
use cnnc_cli::CliError;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long other ranks are waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// Where mpirun says which of how many ranks a process is: that of Open MPI, and those of others.
const STARTED_AS: [(&str, &str); 2] = [("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE")];

/// The other ranks, if there are any.
pub struct Ranks(Option<Post>);

/// The other ranks, where this one is to search. Else it works for the first one, as far as `prepare` says that it can, and
/// there is nothing left to do when this returns.
pub fn others(
    prepare: impl FnOnce(&Place) -> Result<(Able, PoolOptions), CliError>,
) -> Result<Option<Ranks>, CliError> {
    match started_as() {
        Some((rank, ranks)) => one_of(rank, ranks, prepare),
        None => Ok(Some(Ranks(None))),
    }
}

/// Rank and number of ranks, where there are several.
fn started_as() -> Option<(usize, usize)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    let known = STARTED_AS.iter().find_map(|(rank, ranks)| Some((number(rank)?, number(ranks)?)));
    known.filter(|&(_, ranks)| ranks > 1)
}

#[cfg(feature = "mpi")]
fn one_of(
    rank: usize,
    ranks: usize,
    prepare: impl FnOnce(&Place) -> Result<(Able, PoolOptions), CliError>,
) -> Result<Option<Ranks>, CliError> {
    use cnnc_autotune::worker::ranks::{Transport, attend};
    let failed = |error: std::io::Error| CliError::Crash(format!("MPI: {error}"));
    if rank == 0 {
        let post = Post::start(move || mpi::Mpi::open(ranks)).map_err(failed)?;
        return Ok(Some(Ranks(Some(post))));
    }
    // The first rank decides when it is over.
    cnnc_cli::process::catch_interrupts();
    let mut transport = mpi::Mpi::open(ranks).map_err(failed)?;
    let prepared = prepare(&transport.place()).map_err(|error| error.to_string());
    attend(&mut transport, prepared).map_err(failed)?;
    Ok(None)
}

#[cfg(not(feature = "mpi"))]
fn one_of(
    rank: usize,
    ranks: usize,
    _: impl FnOnce(&Place) -> Result<(Able, PoolOptions), CliError>,
) -> Result<Option<Ranks>, CliError> {
    match rank {
        0 => Err(CliError::Usage(format!(
            "this cnnc was built without MPI and was started as {ranks} ranks: build it with --features llvm,mpi, or \
             start it without mpirun"
        ))),
        // The first one has said it.
        _ => Err(CliError::Reported(2)),
    }
}

impl Ranks {
    /// Where this rank is.
    pub fn place(&self) -> Place {
        self.0.as_ref().map_or_else(Place::alone, |post| post.place().clone())
    }

    /// Takes the other ranks of a setting into a pool, and says who takes part; whether any of them must not compile
    /// while it measures.
    pub fn enlist(
        &mut self,
        pool: &mut Pool,
        setting: &Setting,
        crowded: bool,
        watch: &Watch,
    ) -> Result<bool, CliError> {
        let Some(post) = &mut self.0 else { return Ok(false) };
        let crew = post.crew(setting, LIMIT);
        for rank in &crew.ranks {
            pool.enlist(rank).map_err(|e| CliError::Crash(e.to_string()))?;
        }
        let Crew { ranks, refused, absent } = &crew;
        for out in refused {
            eprintln!("note: rank {} on {} takes no part: {}", out.number, out.host, out.why);
        }
        if *absent > 0 {
            eprintln!("note: {absent} ranks have not come within {} s, and take no part", LIMIT.as_secs());
        }
        if crowded || ranks.iter().any(|rank| rank.able().crowded) {
            eprintln!(
                "note: a machine has more ranks than its cores allow for; they disturb each other's measurements"
            );
        }
        let host = &post.place().host;
        let hosts: BTreeSet<&str> = ranks.iter().map(|rank| rank.host()).chain([&**host]).collect();
        let machines = if hosts.len() == 1 { "one machine".into() } else { format!("{} machines", hosts.len()) };
        let text = format!("{} of {} ranks tune, on {machines}\n", ranks.len() + 1, post.place().ranks);
        let named = |rank: &Rank| json!({ "rank": rank.number(), "host": rank.host() });
        let refused: Vec<Value> =
            refused.iter().map(|out| json!({ "rank": out.number, "host": out.host, "why": out.why })).collect();
        let others: Vec<Value> = ranks.iter().map(|rank| named(rank)).collect();
        let event = json!({ "event": "ranks", "host": host, "others": others, "refused": refused, "absent": absent });
        watch.tell(&event, &text)?;
        Ok(ranks.iter().any(|rank| rank.able().alone))
    }

    /// Lets the other ranks end, and says what each has done.
    pub fn dismiss(&self, pool: Pool, watch: &Watch) -> Result<(), CliError> {
        let Some(post) = &self.0 else { return Ok(()) };
        let share = |number: usize, host: &str, tally: &Tally, lost: bool| {
            let (compiled, measured) = (tally.compiled(), tally.measured());
            let event =
                json!({ "rank": number, "host": host, "compiled": compiled, "measured": measured, "lost": lost });
            let lost = if lost { ", and was lost" } else { "" };
            (event, format!("rank {number} on {host} has compiled {compiled} and measured {measured}{lost}\n"))
        };
        let (own, others) = pool.tallies();
        let mut shares = vec![share(0, &post.place().host, own, false)];
        shares.extend(others.map(|(rank, tally)| share(rank.number(), rank.host(), tally, rank.is_lost())));
        let (events, texts): (Vec<Value>, Vec<String>) = shares.into_iter().unzip();
        drop(pool);
        post.end();
        watch.tell(&json!({ "event": "shares", "ranks": events }), &texts.concat())
    }
}

//! Runs inputs and watches them: panics, time, memory. The running input stands in a file, so that even a stack
//! overflow leaves it behind.

use crate::{Outcome, Target, memory};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time for one input.
const MOST_TIME: Duration = Duration::from_secs(10);
/// Bytes beyond which a running input is stopped at once.
const MOST_BYTES: u64 = 3 << 30;

static PANIC: Mutex<String> = Mutex::new(String::new());

/// What the last panic said.
pub fn last_panic() -> String {
    std::mem::take(&mut *PANIC.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Watches runs.
pub struct Watch {
    folder: PathBuf,
    name: String,
    last: File,
    /// Milliseconds from `origin` at which the running input was started; 0 for none.
    started: Arc<AtomicU64>,
    origin: Instant,
    findings: Vec<String>,
    count: u64,
    /// Inputs that were accepted.
    pub accepted: u64,
    /// Most bytes that any input used.
    pub most_bytes: u64,
    /// Longest time.
    pub slowest: Duration,
}

impl Watch {
    /// Watches runs of a target of that name; files go to the folder.
    pub fn new(folder: &Path, name: &str) -> io::Result<Watch> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{name}-running"));
        let last = File::options().write(true).create(true).truncate(true).open(&path)?;
        std::panic::set_hook(Box::new(|info| {
            *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
        }));
        let (started, origin) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let watched = started.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(20));
                let from = watched.load(Relaxed);
                let late = from > 0 && origin.elapsed() > Duration::from_millis(from) + MOST_TIME;
                if late || memory::exceeded() {
                    let what = if late { "more than 10 s" } else { "more than 3 GiB" };
                    println!("finding: {what}; input in {}", path.display());
                    std::process::exit(1);
                }
            }
        });
        let (folder, name) = (folder.to_path_buf(), name.to_string());
        let (findings, slowest) = (vec![], Duration::ZERO);
        Ok(Watch { folder, name, last, started, origin, findings, count: 0, accepted: 0, most_bytes: 0, slowest })
    }

    /// Number of findings.
    pub fn findings(&self) -> u64 {
        self.count
    }

    /// Runs one input.
    pub fn run(&mut self, target: &mut dyn Target, input: &[u8]) -> io::Result<()> {
        self.last.set_len(input.len() as u64)?;
        self.last.write_all_at(input, 0)?;
        self.started.store(self.origin.elapsed().as_millis() as u64 + 1, Relaxed);
        let start = Instant::now();
        let from = memory::start(MOST_BYTES);
        let outcome = catch_unwind(AssertUnwindSafe(|| target.run(input)));
        let bytes = memory::peak(from);
        self.slowest = self.slowest.max(start.elapsed());
        self.started.store(0, Relaxed);
        self.most_bytes = self.most_bytes.max(bytes);
        let finding = match outcome {
            Err(_) => Some(last_panic()),
            Ok(Outcome { broken: Some(what), .. }) => Some(what),
            Ok(Outcome { accepted, declared, .. }) => {
                self.accepted += u64::from(accepted);
                let most =
                    (input.len() as u64).saturating_add(declared).saturating_mul(10).saturating_add(target.allowance());
                (bytes > most).then(|| format!("memory: {bytes} bytes, {most} are allowed"))
            }
        };
        match finding {
            Some(what) => self.report(&what, input),
            None => Ok(()),
        }
    }

    /// Writes the input of a finding; the same finding again is only counted.
    fn report(&mut self, what: &str, input: &[u8]) -> io::Result<()> {
        self.count += 1;
        // Numbers differ between inputs of one finding, places in the code do not.
        let key: String = what.lines().next().unwrap_or("").chars().filter(|c| !c.is_ascii_digit()).collect();
        let place = what.lines().next().filter(|l| l.contains(".rs:")).map(String::from).unwrap_or(key);
        if self.findings.contains(&place) {
            return Ok(());
        }
        let path = self.folder.join(format!("{}-{}", self.name, self.findings.len()));
        self.findings.push(place);
        File::create(&path)?.write_all(input)?;
        println!("finding: {what}; input in {}", path.display());
        Ok(())
    }
}

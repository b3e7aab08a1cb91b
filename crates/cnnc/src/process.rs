//! The process: signals, panics, logs, and the child that compiles.

use crate::CliError;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program that compiles; it stands beside this one.
const COMPILER: &str = "cnnc-compile";

/// Folder to be removed when the process is told to end.
static TEMPORARY: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Process id of the child, or 0.
static CHILD_PID: AtomicI32 = AtomicI32::new(0);

/// Signals that tell a process to end.
#[cfg(unix)]
const ENDING: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Signals that follow the first this soon are the same one: a terminal tells the child, and so does its parent.
const SAME_SIGNAL: Duration = Duration::from_millis(300);

/// Whether the command at work ends by itself, with what is done, when it is told to.
static CATCHES: AtomicBool = AtomicBool::new(false);

/// Whether it was told to.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes the first signal to end a request that [`interrupted`] tells of; the second one ends the process.
pub fn catch_interrupts() {
    CATCHES.store(true, Ordering::SeqCst);
}

/// Whether the process was told to end since it began to catch that.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Prepares the process; to be called first, before any thread is started.
pub fn start() {
    handle_signals();
    report_panics();
    let filter = tracing_subscriber::EnvFilter::try_from_env("CNNC_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true).init();
}

/// Does the work and reports how it ended.
pub fn finish(work: impl FnOnce() -> Result<(), CliError> + std::panic::UnwindSafe) -> ExitCode {
    match std::panic::catch_unwind(work) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            if !matches!(error, CliError::Reported(_)) {
                eprintln!("error: {}", one_line(&error.to_string()));
                if let Some(hint) = error.hint() {
                    eprintln!("  hint: {}", one_line(hint));
                }
            }
            ExitCode::from(error.exit_code())
        }
        // The hook has said what there is to say.
        Err(_) => ExitCode::FAILURE,
    }
}

/// A message with control characters escaped: it quotes names out of files, which could break the line or speak to
/// the terminal.
fn one_line(message: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    message.chars().map(escape).collect()
}

/// Runs the compiler with those arguments.
pub fn compiler(args: impl IntoIterator<Item = OsString>) -> Result<(), CliError> {
    run(args, Stdio::inherit()).map(drop)
}

/// Runs the compiler with those arguments and returns its standard output.
pub fn compiler_output(args: impl IntoIterator<Item = OsString>) -> Result<Vec<u8>, CliError> {
    run(args, Stdio::piped())
}

fn run(args: impl IntoIterator<Item = OsString>, stdout: Stdio) -> Result<Vec<u8>, CliError> {
    let program = compiler_path()?;
    let failed = |error: std::io::Error| CliError::Crash(format!("cannot run {}: {error}", program.display()));
    let child = Command::new(&program).args(args).stdout(stdout).spawn().map_err(failed)?;
    CHILD_PID.store(child.id() as i32, Ordering::SeqCst);
    let output = child.wait_with_output().map_err(failed)?;
    CHILD_PID.store(0, Ordering::SeqCst);
    match output.status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(0) => Ok(output.stdout),
        Some(code) => Err(CliError::Reported(code)),
        None if ended_by_user(output.status) => Err(CliError::Reported(1)),
        None => Err(CliError::Crash(format!(
            "internal error: the compiler died ({}); this is a bug in cnnc, please report it with the model",
            output.status
        ))),
    }
}

/// A temporary folder that is removed even where the process is told to end; one at a time.
pub fn temporary_folder() -> Result<TempDir, CliError> {
    let failed = |source| CliError::Write { path: std::env::temp_dir(), source };
    let mut known = TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::Builder::new().prefix("cnnc-").tempdir().map_err(failed)?;
    *known = Some(folder.path().to_path_buf());
    Ok(folder)
}

fn compiler_path() -> Result<PathBuf, CliError> {
    let own = std::env::current_exe().map_err(|error| CliError::Crash(format!("cannot find myself: {error}")))?;
    let path = own.with_file_name(format!("{COMPILER}{}", std::env::consts::EXE_SUFFIX));
    if path.is_file() {
        return Ok(path);
    }
    Err(CliError::Crash(format!("{} is missing: it belongs beside {}", path.display(), own.display())))
}

/// Whether a process was told to end.
fn ended_by_user(status: ExitStatus) -> bool {
    #[cfg(unix)]
    let ended = std::os::unix::process::ExitStatusExt::signal(&status).is_some_and(|s| ENDING.contains(&s));
    #[cfg(not(unix))]
    let ended = status.code().is_none();
    ended
}

/// Lets writes to a closed pipe end the process quietly and writes beyond a size limit fail, and removes unfinished
/// files when the process is told to end.
#[cfg(unix)]
fn handle_signals() {
    // SAFETY: both dispositions are constants that every signal may have; no handler runs.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
    // SAFETY: the set is initialised by `sigemptyset` before it is used.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        ENDING.iter().for_each(|signal| {
            libc::sigaddset(&mut set, *signal);
        });
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    };
    // The signals are blocked in every thread, and taken by one of their own where locks and files can be used.
    std::thread::spawn(move || {
        let (mut signal, mut first) = (0, Instant::now());
        loop {
            // SAFETY: `set` is a valid set of blocked signals, `signal` is written.
            if unsafe { libc::sigwait(&set, &mut signal) } != 0 {
                return;
            }
            let child = CHILD_PID.load(Ordering::SeqCst);
            if child > 0 {
                // SAFETY: a signal to a process that is this one's child and has not been waited for.
                unsafe { libc::kill(child, signal) };
            }
            if !CATCHES.load(Ordering::SeqCst) {
                break;
            }
            if !INTERRUPTED.swap(true, Ordering::SeqCst) {
                first = Instant::now();
            } else if first.elapsed() > SAME_SIGNAL {
                break;
            }
        }
        cnnc_artifact::remove_unfinished();
        if let Ok(Some(folder)) = TEMPORARY.lock().as_deref() {
            let _ = std::fs::remove_dir_all(folder);
        }
        // SAFETY: ends the process by the signal's default action, as the parent expects.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
            libc::raise(signal);
        }
    });
}

#[cfg(not(unix))]
fn handle_signals() {}

/// Makes panics, which are bugs of ours, one clear message.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        eprintln!("error: internal error: {info}");
        eprintln!("  hint: this is a bug in cnnc; please report it with the command and the model");
        tracing::debug!("{}", std::backtrace::Backtrace::force_capture());
    }));
}

//! The process: signals, panics, and the child in which code is generated.
//!
//! LLVM ends the process where it cannot go on, so what generates code runs in a child: this program again, with the
//! same arguments. The parent passes its exit code on and says so where it died.

use crate::CliError;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};

/// Set in the child.
const CHILD: &str = "CNNC_COMPILER_PROCESS";

/// Process id of the child, or 0.
static CHILD_PID: AtomicI32 = AtomicI32::new(0);

/// Signals that tell a process to end.
#[cfg(unix)]
const ENDING: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Whether this is the child.
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs this program with the same arguments as a child, and returns its exit code.
pub fn run_in_child() -> Result<ExitCode, CliError> {
    let failed = |source: std::io::Error| CliError::Crash(format!("could not be started ({source})"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program).args(std::env::args_os().skip(1)).env(CHILD, "1").spawn().map_err(failed)?;
    CHILD_PID.store(child.id() as i32, Ordering::SeqCst);
    let status = child.wait().map_err(failed)?;
    CHILD_PID.store(0, Ordering::SeqCst);
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Ok(ExitCode::from(code)),
        None if ended_by_user(status) => Ok(ExitCode::FAILURE),
        None => Err(CliError::Crash(format!("died ({status})"))),
    }
}

/// Whether a process was told to end.
fn ended_by_user(status: ExitStatus) -> bool {
    #[cfg(unix)]
    let ended = std::os::unix::process::ExitStatusExt::signal(&status).is_some_and(|s| ENDING.contains(&s));
    #[cfg(not(unix))]
    let ended = false;
    ended
}

/// Lets writes to a closed pipe end the process quietly and writes beyond a size limit fail, and removes unfinished
/// files when the process is told to end. Call it before any thread is started: they inherit which signals are blocked.
#[cfg(unix)]
pub fn handle_signals() {
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
    // The blocked signals are taken by a thread of their own, where locks and files can be used.
    std::thread::spawn(move || {
        let mut signal = 0;
        // SAFETY: `set` is a valid set of blocked signals, `signal` is written.
        if unsafe { libc::sigwait(&set, &mut signal) } != 0 {
            return;
        }
        let child = CHILD_PID.load(Ordering::SeqCst);
        if child > 0 {
            // SAFETY: the process is this one's child and has not been waited for.
            unsafe { libc::kill(child, signal) };
        }
        cnnc_artifact::remove_unfinished();
        // SAFETY: ends the process by the signal's default action, as the parent expects.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
            libc::raise(signal);
        }
    });
}

/// Nothing to handle.
#[cfg(not(unix))]
pub fn handle_signals() {}

/// Makes panics, which are bugs of ours, one clear message.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        eprintln!("error: internal error: {info}");
        eprintln!("  hint: this is a bug in cnnc; please report it with the command and the model");
        tracing::debug!("{}", std::backtrace::Backtrace::force_capture());
    }));
}

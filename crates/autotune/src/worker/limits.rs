//! What a worker may take of the machine, set by itself when it starts.

/// The bounds of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Bytes of memory of its own: heap, stacks, arenas; mapped files are not counted.
    pub memory: Option<u64>,
    /// Cores to run on; all where there are none.
    pub cores: Vec<usize>,
}

impl Confinement {
    /// Confines this process, which also ends when its parent's thread that started it does and leaves no core dump.
    /// What the system refuses is left out: a worker without bounds still works.
    #[cfg(target_os = "linux")]
    pub fn apply(&self) {
        // SAFETY: plain system calls on this process; the structures are complete and outlive the calls.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
            if let Some(bytes) = self.memory {
                libc::setrlimit(libc::RLIMIT_DATA, &libc::rlimit { rlim_cur: bytes, rlim_max: bytes });
            }
            if !self.cores.is_empty() {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                let most = 8 * size_of::<libc::cpu_set_t>();
                self.cores.iter().filter(|&&core| core < most).for_each(|&core| libc::CPU_SET(core, &mut set));
                libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
            }
        }
    }

    /// Nothing is bounded elsewhere.
    #[cfg(not(target_os = "linux"))]
    pub fn apply(&self) {}
}

/// The cores that this process may run on; none where that is not known.
#[cfg(target_os = "linux")]
pub(super) fn own_cores() -> Vec<usize> {
    // SAFETY: the set is complete, and written by the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return vec![];
        }
        (0..8 * size_of::<libc::cpu_set_t>()).filter(|&core| libc::CPU_ISSET(core, &set)).collect()
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn own_cores() -> Vec<usize> {
    vec![]
}

/// Makes writes of this thread to a worker that has died fail, where they could end the process: the program may have
/// left that signal its usual action.
pub(super) fn outlive_broken_pipes() {
    #[cfg(unix)]
    // SAFETY: the set is initialised before it is used; only this thread's mask changes. A signal that stays pending is
    // never taken.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}

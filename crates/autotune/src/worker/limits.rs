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

/// The cores of this machine that this process might run on, were it not bound to some; none where that is not known.
#[cfg(target_os = "linux")]
fn cores_of_machine() -> Vec<usize> {
    // The cores of a thread are its own: those of the process stay as they are.
    let widened = std::thread::spawn(|| {
        // SAFETY: the set is complete, and read by the call.
        unsafe {
            let all = [0xff_u8; size_of::<libc::cpu_set_t>()];
            libc::sched_setaffinity(0, all.len(), all.as_ptr().cast());
        }
        own_cores()
    });
    widened.join().unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn cores_of_machine() -> Vec<usize> {
    vec![]
}

/// Whether the process is bound to some of the cores that it might run on: to how many of how many.
pub fn bound_to_cores() -> Option<(usize, usize)> {
    let (own, all) = (own_cores().len(), cores_of_machine().len());
    (own < all).then_some((own, all))
}

/// The cores that compile and those that measure: the last ones; none, that is all, where there are too few.
pub(super) fn split_cores(all: &[usize], measuring: usize) -> (Vec<usize>, Vec<usize>) {
    let measuring = measuring.max(1);
    if all.len() <= measuring {
        return (vec![], vec![]);
    }
    let (compile, measure) = all.split_at(all.len() - measuring);
    (compile.to_vec(), measure.to_vec())
}

/// One of so many equal parts of some cores; what is left over belongs to nobody.
pub(super) fn part_of(cores: &[usize], index: usize, of: usize) -> &[usize] {
    let each = cores.len() / of.max(1);
    cores.get(index * each..(index + 1) * each).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measuring_has_its_cores_where_there_are_more() {
        assert_eq!(split_cores(&[0, 2, 3], 1), (vec![0, 2], vec![3]));
        assert_eq!(split_cores(&[0, 2, 3], 2), (vec![0], vec![2, 3]));
        assert_eq!(split_cores(&[5], 1), (vec![], vec![]));
        assert_eq!(split_cores(&[0, 1], 2), (vec![], vec![]));
    }

    #[test]
    fn parts_of_cores_are_equal_and_disjoint() {
        let cores = [0, 1, 4, 5, 6];
        assert_eq!((part_of(&cores, 0, 2), part_of(&cores, 1, 2)), (&[0, 1][..], &[4, 5][..]));
        assert_eq!(part_of(&cores, 0, 1), cores);
        assert_eq!((part_of(&cores, 2, 2), part_of(&cores, 0, 6), part_of(&[], 0, 1)), (&[][..], &[][..], &[][..]));
    }
}

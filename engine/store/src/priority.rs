//! Who goes first when there are fewer processors than threads that want one.

/// How far behind other threads one is put that gives way: it gets about a tenth of a processor that both of them want.
const BEHIND: i32 = 10;

/// Puts the calling thread behind the others of this process: what it does can wait for those that answer devices. Where a
/// priority is a whole process's, nothing is changed.
pub fn give_way() {
    if cfg!(target_os = "linux") {
        // Refused is no harm: then it goes on beside the others.
        drop(rustix::process::nice(BEHIND));
    }
}

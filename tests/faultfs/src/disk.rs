//! A folder in care: its plan of faults, its files, and the register through which the file system finds it.

use crate::files::{Coin, Files};
use crate::plan::{Call, Calls, Fault, How, Plan};
use crate::vfs;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A disk that does what a test says. Given back when the last handle goes.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Held>);

#[derive(Debug)]
pub(crate) struct Held {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    files: Files,
}

static HELD: Mutex<Vec<Weak<Held>>> = Mutex::new(Vec::new());

impl Disk {
    /// Takes everything below `folder` into care. The folder must exist; SQLite must not have files of it open.
    pub fn under(folder: &Path) -> std::io::Result<Disk> {
        vfs::install();
        let held = Arc::new(Held {
            folder: folder.canonicalize()?,
            state: Mutex::default(),
        });
        let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|held| held.strong_count() > 0);
        all.push(Arc::downgrade(&held));
        Ok(Disk(held))
    }

    /// Sets a fault, in place of the one before.
    pub fn arm(&self, fault: Fault) {
        self.0.state().plan.arm(fault);
    }

    /// Every call works again.
    pub fn mend(&self) {
        self.0.state().plan.mend();
    }

    /// Syncs say "done" and do nothing, as cheap cards do.
    pub fn lie(&self) {
        self.0.state().files.lies = true;
    }

    /// Calls so far.
    pub fn calls(&self) -> Calls {
        self.0.state().plan.calls
    }

    /// Calls that failed since the fault was set.
    pub fn failed(&self) -> u64 {
        self.0.state().plan.failed
    }

    /// Whether power has gone.
    pub fn is_dark(&self) -> bool {
        self.0.state().plan.dark
    }

    /// Writes the files into `elsewhere` in one of the states in which they may be found if power went now. The seed
    /// says which.
    pub fn cut_power(&self, seed: u64, elsewhere: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(elsewhere)?;
        let state = self.0.state();
        for (name, content) in state.files.after_power_cut(&mut Coin::new(seed)) {
            let path = elsewhere.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, content)?;
        }
        Ok(())
    }
}

/// The disk that holds a file, with the file's name on it.
pub(crate) fn holding(path: &Path) -> Option<(Arc<Held>, OsString)> {
    let all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter_map(Weak::upgrade).find_map(|held| {
        let name = path.strip_prefix(&held.folder).ok()?.as_os_str().to_owned();
        Some((held, name))
    })
}

impl Held {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next(&self, call: Call) -> Option<How> {
        self.state().plan.next(call)
    }

    /// A file is open: `there` is what it held if it was there before.
    pub(crate) fn opened(&self, name: &OsString, there: Option<Vec<u8>>) {
        let files = &mut self.state().files;
        match there {
            _ if files.knows(name) => {}
            Some(content) => files.found(name.clone(), content),
            None => files.made(name.clone()),
        }
    }

    pub(crate) fn written(&self, name: &OsString, offset: u64, bytes: &[u8]) {
        self.state().files.written(name.clone(), offset, bytes);
    }

    pub(crate) fn cut(&self, name: &OsString, length: u64) {
        self.state().files.cut(name.clone(), length);
    }

    pub(crate) fn removed(&self, name: &OsString, synced: bool) {
        self.state().files.removed(name.clone(), synced);
    }

    pub(crate) fn synced(&self, name: &OsString) {
        self.state().files.synced(name);
    }

    pub(crate) fn sync_failed(&self, name: &OsString) {
        self.state().files.sync_failed(name);
    }
}

//! Waits for events of processes without polling.

use std::io::{self, Read};
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// Longest wait for an event, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Changes of files and folders below a folder.
pub struct Changes {
    events: Receiver<notify::Result<notify::Event>>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    pub fn below(folder: &Path) -> Self {
        let (sender, events) = channel();
        let mut watcher = notify::recommended_watcher(sender).unwrap();
        watcher.watch(folder, RecursiveMode::Recursive).unwrap();
        Self {
            events,
            _watcher: watcher,
        }
    }

    /// Waits until `is_so` holds. It is checked after each change of files and folders. Fails if `child` ends before.
    #[track_caller]
    pub fn wait_until(&self, child: &mut Child, is_so: impl Fn() -> bool) {
        while !is_so() {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            self.events.recv_timeout(PATIENCE).unwrap().unwrap();
        }
    }
}

/// Waits until a process whose stdout is piped has ended, or `limit` has passed.
pub fn wait_at_most(child: &mut Child, limit: Duration) {
    let Some(mut stdout) = child.stdout.take() else {
        panic!("stdout is not piped, or has been read")
    };
    let (sender, ended) = channel();
    thread::spawn(move || {
        // The stream ends with the process.
        let _ = io::copy(&mut stdout.by_ref(), &mut io::sink());
        let _ = sender.send(());
    });
    let _ = ended.recv_timeout(limit);
}

//! The runner's folder: one folder for each attempt, gone when the attempt is over, whoever is still in it.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::group;

/// Begins the names of attempts' folders.
const ATTEMPT: &str = "attempt-";
/// How long another runner may take to let go of the folder.
const LAST: Duration = Duration::from_secs(1);

/// The folder of one runner, which no other one uses meanwhile.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    /// Held as long as the runner lives; the system lets go of it when the process ends, however it does.
    _lock: File,
}

impl Scratch {
    /// Makes or takes the folder, and clears away what a runner left that was killed: processes, too.
    pub fn open(folder: &Path) -> Result<Scratch, String> {
        let fault = |error: std::io::Error| format!("work_dir: {}: {error}", folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
        let folder = folder.canonicalize().map_err(fault)?;
        let lock = File::create(folder.join("lock")).map_err(fault)?;
        let until = Instant::now() + LAST;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                // One that just ends lets go in a moment.
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LAST / 20),
                Err(TryLockError::WouldBlock) => return Err(format!("work_dir: another runner works in {}", folder.display())),
                Err(TryLockError::Error(error)) => return Err(fault(error)),
            }
        }
        for left in std::fs::read_dir(&folder).map_err(fault)?.flatten() {
            if left.file_name().to_string_lossy().starts_with(ATTEMPT) {
                tracing::info!("cleared away {}, which a runner left that was killed", left.path().display());
                clear(&left.path());
            }
        }
        Ok(Scratch { folder, _lock: lock })
    }

    /// A folder for an attempt.
    pub fn attempt(&self, job: i64, attempt: i32) -> std::io::Result<Place> {
        let place = Place(
            self.folder
                .join(format!("{ATTEMPT}{job}-{attempt}-{}", uuid::Uuid::new_v4().simple())),
        );
        for folder in [place.0.clone(), place.cwd()] {
            DirBuilder::new().mode(0o700).create(folder)?;
        }
        Ok(place)
    }
}

/// The folder of one attempt; it is removed when this is dropped.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// Where the command works.
    pub fn cwd(&self) -> PathBuf {
        self.0.join("work")
    }

    /// The job's input.
    pub fn input(&self) -> PathBuf {
        self.0.join("input")
    }

    /// What becomes the job's output.
    pub fn output(&self) -> PathBuf {
        self.0.join("output")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        clear(&self.0);
    }
}

fn clear(folder: &Path) {
    group::evict(folder);
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::warn!("{} cannot be removed: {error}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_runners_and_is_cleared() {
        let parent = std::env::temp_dir().join(format!("odonata-runner-{}", uuid::Uuid::new_v4()));
        let scratch = Scratch::open(&parent.join("a/b")).unwrap();
        let error = Scratch::open(&parent.join("a/b")).unwrap_err();
        assert!(error.starts_with("work_dir: another runner works in "), "{error}");
        let place = scratch.attempt(1, 1).unwrap();
        let kept = place.0.clone();
        std::fs::write(place.input(), "x").unwrap();
        assert!(place.cwd().is_dir());
        drop(place);
        assert!(!kept.exists());

        // As if it had been killed: the folder stays, and a process in it.
        let place = scratch.attempt(1, 2).unwrap();
        let mut command = std::process::Command::new("/bin/sleep");
        let mut child = command
            .arg("60")
            .current_dir(place.cwd())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let kept = place.0.clone();
        std::mem::forget(place);
        drop(scratch);
        Scratch::open(&parent.join("a/b")).unwrap();
        assert!(!kept.exists());
        assert!(!child.wait().unwrap().success());
        std::fs::remove_dir_all(parent).unwrap();
    }
}

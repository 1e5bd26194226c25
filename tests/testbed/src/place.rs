//! Where the servers' programs are: in the cache folder that `tests/testbed/install` fills, or where the
//! system's packages put them.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The installer reads the same file, so both speak of the same folders.
const VERSIONS: &str = include_str!("../versions");

/// A program that the installer built: `server` as in `versions`, in lower case.
pub(crate) fn built(server: &str, program: &str) -> Result<PathBuf> {
    let version = VERSIONS
        .lines()
        .filter_map(|line| line.split_once('='))
        .find_map(|(name, version)| name.eq_ignore_ascii_case(server).then_some(version))
        .with_context(|| format!("tests/testbed/versions does not speak of {server}"))?;
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    let path = cache.join(format!("tertulia/testbed/{server}-{version}/bin/{program}"));
    path.is_file().then_some(path).with_context(|| is_missing(server))
}

/// A program of the system: the newest `FOLDER/*/INSIDE`, or else the program of that name on the PATH.
pub(crate) fn packaged(server: &str, folder: &str, inside: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path().join(inside)));
    match paths.filter(|path| path.is_file()).max() {
        Some(path) => Ok(path),
        None => on_path(server, Path::new(inside).file_name().expect("every caller names a file")),
    }
}

/// A program of the system, on the PATH.
pub(crate) fn on_path(server: &str, program: impl AsRef<Path>) -> Result<PathBuf> {
    let path = env::var_os("PATH").context("PATH is not set")?;
    env::split_paths(&path)
        .map(|folder| folder.join(&program))
        .find(|path| path.is_file())
        .with_context(|| is_missing(server))
}

fn is_missing(server: &str) -> String {
    format!("{server} is not installed on this machine. Get it with: tests/testbed/install {server}")
}

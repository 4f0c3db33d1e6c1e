//! The generations of an index: each is a whole index in a folder of its own, of which one is searched while at most one
//! other is being built.
//!
//! `current.json` in the folder above them says which is which. It is replaced as a whole, so that a crash leaves the
//! old state or the new one. An index of earlier versions lies in that folder itself: it is generation 0.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::layout::{Layout, replace_file};
use crate::lexical::LexicalIndex;
use crate::{HybridIndex, IndexError};

/// The file that says which generation is which.
const CURRENT: &str = "current.json";

/// Bytes that must be free beside what the new generation takes: Edge writes nothing with less, and merges need some.
const MARGIN: u64 = 256 * 1024 * 1024;

/// A generation that is being built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Building {
    /// Its number.
    pub number: u64,
    /// The embedding model that it is built with.
    pub model: String,
    /// Where its vectors are kept, in words of whoever began it: one that goes on elsewhere would have half of them.
    pub vectors: String,
}

/// The content of `current.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Roster {
    /// None while the first one is being built in place of a damaged index.
    searched: Option<u64>,
    building: Option<Building>,
    /// Of no use any more, and still to be deleted.
    #[serde(default)]
    dropped: BTreeSet<u64>,
}

/// The folder of an index, with its generations. One process at a time may change it.
#[derive(Debug)]
pub struct Generations {
    dir: PathBuf,
    roster: Roster,
}

impl Generations {
    /// Reads what is there; nothing is changed by it.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] when `current.json` cannot be read, or is missing beside generations.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let mut roster = match read(dir)? {
            Some(roster) => roster,
            None if folders(dir)?.is_empty() => Roster { searched: is_flat(dir).then_some(0), ..Roster::default() },
            None => return Err(IndexError::corrupt(dir, format!("{CURRENT} is missing"))),
        };
        let known = [roster.searched, roster.building.as_ref().map(|building| building.number)];
        roster.dropped.extend(folders(dir)?.into_iter().filter(|number| !known.contains(&Some(*number))));
        Ok(Self { dir: dir.to_owned(), roster })
    }

    /// As [`Generations::open`], to build an index whatever the state of the old one is: where it cannot be told which
    /// generation is searched, none is, and all that are there are dropped.
    ///
    /// # Errors
    /// [`IndexError::Disk`] when the folder cannot be read.
    pub fn open_to_rebuild(dir: &Path) -> Result<Self, IndexError> {
        match Self::open(dir) {
            Err(IndexError::Corrupt { .. }) => {
                let mut dropped: BTreeSet<u64> = folders(dir)?.into_iter().collect();
                dropped.extend(is_flat(dir).then_some(0));
                Ok(Self { dir: dir.to_owned(), roster: Roster { dropped, ..Roster::default() } })
            }
            opened => opened,
        }
    }

    /// The embedding model that the searched generation in `dir` was made with; none when there is none yet, or it has
    /// words alone.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] when that cannot be read.
    pub fn model_searched(dir: &Path) -> Result<Option<String>, IndexError> {
        let generations = Self::open(dir)?;
        let searched = generations.roster.searched.map(|number| Layout::new(&generations.folder(number)).model());
        Ok(searched.transpose()?.flatten())
    }

    /// The generation that is searched; in an empty folder a first one.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] when none is complete, [`IndexError::Disk`] when the first one cannot be noted.
    pub fn searched(&mut self) -> Result<u64, IndexError> {
        if let Some(number) = self.roster.searched {
            return Ok(number);
        }
        if self.roster.building.is_some() {
            return Err(IndexError::corrupt(
                &self.dir,
                "the old one is lost, and the new one was not built to its end",
            ));
        }
        let number = self.next();
        self.change(|roster| roster.searched = Some(number))?;
        Ok(number)
    }

    /// The generation that is being built.
    #[must_use]
    pub fn building(&self) -> Option<&Building> {
        self.roster.building.as_ref()
    }

    /// Those that are of no use any more, to be removed once nobody searches them.
    #[must_use]
    pub fn dropped(&self) -> Vec<u64> {
        self.roster.dropped.iter().copied().collect()
    }

    /// The folder of a generation.
    #[must_use]
    pub fn folder(&self, number: u64) -> PathBuf {
        if number == 0 { self.dir.clone() } else { self.dir.join(number.to_string()) }
    }

    /// Begins a new generation, or goes on with the one that is being built when that is with the same model and in the
    /// same place; else that one is dropped. Gives its number.
    ///
    /// # Errors
    /// [`IndexError::Disk`] when it cannot be noted; then nothing has changed.
    pub fn begin(&mut self, model: &str, vectors: &str) -> Result<u64, IndexError> {
        if let Some(building) = &self.roster.building
            && (building.model.as_str(), building.vectors.as_str()) == (model, vectors)
        {
            return Ok(building.number);
        }
        let number = self.next();
        let building = Building { number, model: model.to_owned(), vectors: vectors.to_owned() };
        self.change(|roster| {
            let old = roster.building.replace(building);
            roster.dropped.extend(old.map(|old| old.number));
        })?;
        Ok(number)
    }

    /// Gives up the generation that is being built.
    ///
    /// # Errors
    /// As [`Generations::begin`].
    pub fn abandon(&mut self) -> Result<(), IndexError> {
        self.change(|roster| {
            let old = roster.building.take();
            roster.dropped.extend(old.map(|old| old.number));
        })
    }

    /// Makes the generation that is being built the one that is searched, at once; the old one is dropped.
    ///
    /// # Errors
    /// As [`Generations::begin`].
    pub fn switch(&mut self) -> Result<(), IndexError> {
        self.change(|roster| {
            if let Some(built) = roster.building.take() {
                let old = roster.searched.replace(built.number);
                roster.dropped.extend(old);
            }
        })
    }

    /// Deletes the files of a generation that was dropped. It stays listed until [`Generations::forget`], so that what
    /// lies elsewhere, a Qdrant server's collection, is not forgotten with it.
    ///
    /// # Errors
    /// [`IndexError::Busy`] when it is open, [`IndexError::Disk`] when it cannot be deleted.
    pub fn delete(folder: &Path, number: u64) -> Result<(), IndexError> {
        HybridIndex::destroy(folder)?;
        match std::fs::remove_dir(folder) {
            _ if number == 0 => Ok(()),
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                Err(IndexError::disk(folder, error))
            }
            _ => Ok(()),
        }
    }

    /// Takes a generation off the list of those to remove.
    ///
    /// # Errors
    /// As [`Generations::begin`].
    pub fn forget(&mut self, number: u64) -> Result<(), IndexError> {
        self.change(|roster| {
            roster.dropped.remove(&number);
        })
    }

    /// Which library the generation that is being built follows, and up to which revision; none when there is none.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] when it cannot be read.
    pub fn reached(&self) -> Result<Option<(Option<String>, u64)>, IndexError> {
        let Some(building) = &self.roster.building else { return Ok(None) };
        let layout = Layout::new(&self.folder(building.number));
        let watermark = match layout.lexical().is_dir() {
            true => LexicalIndex::open(&layout.lexical())?.watermark()?,
            false => 0,
        };
        Ok(Some((layout.library()?, watermark)))
    }

    /// Whether the disk has room for the new generation beside the old one: it takes about as much, and while its graph is
    /// made twice its vectors on top.
    ///
    /// # Errors
    /// [`IndexError::Disk`] when it has not.
    pub fn check_room(&self) -> Result<(), IndexError> {
        let size = |number: u64| Layout::new(&self.folder(number)).size();
        let building = self.building().map_or(0, |building| size(building.number));
        let old = |of: fn(&Layout) -> u64| self.roster.searched.map_or(0, |old| of(&Layout::new(&self.folder(old))));
        let needed = needed(old(Layout::size), old(Layout::size_of_dense), building);
        let free = std::fs::create_dir_all(&self.dir).and_then(|()| fs4::available_space(&self.dir));
        let free = free.map_err(|error| IndexError::disk(&self.dir, error))?;
        if free >= needed {
            return Ok(());
        }
        let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
        let (needed, free) = (mib(needed), free >> 20);
        let told = format!("the new one needs about {needed} MiB beside the old one, and {free} MiB are free");
        Err(IndexError::disk(&self.dir, told))
    }

    fn next(&self) -> u64 {
        let roster = &self.roster;
        let building = roster.building.as_ref().map(|building| building.number);
        roster.dropped.iter().copied().chain(roster.searched).chain(building).max().unwrap_or(0) + 1
    }

    /// Notes a change on the disk, then here.
    fn change(&mut self, change: impl FnOnce(&mut Roster)) -> Result<(), IndexError> {
        let mut roster = self.roster.clone();
        change(&mut roster);
        let written = serde_json::to_vec_pretty(&roster).map_err(std::io::Error::from);
        let written = written.and_then(|bytes| replace_file(&self.dir, CURRENT, &bytes));
        written.map_err(|error| IndexError::disk(&self.dir, error))?;
        self.roster = roster;
        Ok(())
    }
}

/// The room that a new generation needs which has some bytes already, beside an old one of so many. Before Qdrant's engine
/// makes a graph it asks for twice the bytes that the vectors take.
fn needed(old: u64, old_dense: u64, new: u64) -> u64 {
    old.saturating_sub(new).saturating_add(old_dense.saturating_mul(2)).saturating_add(MARGIN)
}

fn read(dir: &Path) -> Result<Option<Roster>, IndexError> {
    let unreadable = |error: &dyn std::fmt::Display| IndexError::corrupt(dir, format!("{CURRENT}: {error}"));
    match std::fs::read(dir.join(CURRENT)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(&error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Whether an index of an earlier version lies in the folder itself.
fn is_flat(dir: &Path) -> bool {
    dir.join("index.json").exists() || dir.join("lexical").exists()
}

/// The numbers of the generations that have a folder.
fn folders(dir: &Path) -> Result<Vec<u64>, IndexError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<Result<Vec<_>, _>>),
    };
    let entries = entries.map_err(|error| IndexError::disk(dir, error))?;
    let number = |entry: &std::fs::DirEntry| entry.file_name().to_str()?.parse().ok().filter(|number| *number > 0);
    Ok(entries.iter().filter_map(number).collect())
}

#[cfg(test)]
#[path = "generations_tests.rs"]
mod tests;

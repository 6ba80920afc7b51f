//! Where runs outlive the page: files by path, as small an interface as a browser's private file system and a test need.
//!
//! A file that is being written when the page dies is torn. So each file has two places, and each writing takes the older
//! one: what is read is the latest that is whole.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use spec::run::StorageReport;

/// Why a file could not be read or written, in plain words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} {path}: {reason}")]
pub struct StoreError {
    /// What was tried.
    pub operation: &'static str,
    /// The file.
    pub path: String,
    /// Why it did not work.
    pub reason: String,
}

/// What a [`Store`] answers, once it is there.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>>>>;

/// Files by path (`run/part`). A writing may be cut off at any byte by the end of the page.
pub trait Store {
    /// The bytes of a file; none where there is no such file.
    fn read(&self, path: &str) -> Answer<Option<Vec<u8>>>;
    /// Replaces a file.
    fn write(&self, path: &str, bytes: Vec<u8>) -> Answer<()>;
    /// Removes a folder with its files; a folder that is not there is removed already.
    fn remove(&self, folder: &str) -> Answer<()>;
    /// Names of the folders.
    fn folders(&self) -> Answer<Vec<String>>;
    /// Holds a file so that no other page does, as long as the answer lives or until this page dies; none where another
    /// page holds it.
    fn lock(&self, path: &str) -> Answer<Option<Box<dyn Any>>>;
    /// How much room there is.
    fn report(&self) -> Pin<Box<dyn Future<Output = StorageReport>>>;
}

/// Files in memory: for a browser that keeps none, and behind one that refuses to keep more. They end with the page.
#[derive(Default)]
pub struct MemoryStore {
    files: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    /// Why there is nothing better.
    problem: Option<String>,
}

impl MemoryStore {
    /// An empty one, which says why there is nothing better.
    pub fn instead(problem: String) -> Self {
        Self { problem: Some(problem), ..Self::default() }
    }
}

impl Store for MemoryStore {
    fn read(&self, path: &str) -> Answer<Option<Vec<u8>>> {
        let bytes = self.files.borrow().get(path).cloned();
        Box::pin(async { Ok(bytes) })
    }

    fn write(&self, path: &str, bytes: Vec<u8>) -> Answer<()> {
        self.files.borrow_mut().insert(path.to_owned(), bytes);
        Box::pin(async { Ok(()) })
    }

    fn remove(&self, folder: &str) -> Answer<()> {
        let inside = format!("{folder}/");
        self.files.borrow_mut().retain(|path, _| !path.starts_with(&inside));
        Box::pin(async { Ok(()) })
    }

    fn folders(&self) -> Answer<Vec<String>> {
        let files = self.files.borrow();
        let mut folders: Vec<String> =
            files.keys().filter_map(|path| Some(path.split_once('/')?.0.to_owned())).collect();
        folders.dedup();
        Box::pin(async { Ok(folders) })
    }

    fn lock(&self, _: &str) -> Answer<Option<Box<dyn Any>>> {
        Box::pin(async { Ok(Some(Box::new(()) as Box<dyn Any>)) })
    }

    fn report(&self) -> Pin<Box<dyn Future<Output = StorageReport>>> {
        let n_bytes_used = Some(self.files.borrow().values().map(|bytes| bytes.len() as u64).sum());
        let problem = self.problem.clone();
        Box::pin(async move { StorageReport { problem, n_bytes_used, n_bytes_allowed: None } })
    }
}

/// First bytes of each place: what it is, and which layout.
const MAGIC: [u8; 8] = *b"WDGTNrn1";
/// Bytes before the content: magic, number of the writing, length, check sum.
const HEADER_BYTES: usize = 32;

/// Files of a store, each in two places; what the store refuses is kept in memory, as long as the session lasts.
pub struct Files {
    store: Rc<dyn Store>,
    refused: MemoryStore,
    /// The number of the writing in each place, as far as it was looked at; none where it is not whole.
    numbers: RefCell<HashMap<String, [Option<u64>; 2]>>,
}

/// A place that is whole.
struct Whole {
    number: u64,
    content: Vec<u8>,
}

impl Files {
    /// The files of a store.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self { store, refused: MemoryStore::default(), numbers: RefCell::default() }
    }

    /// How much room there is.
    pub async fn report(&self) -> StorageReport {
        self.store.report().await
    }

    /// The latest whole content of a file; none where there is none.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn load(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(bytes) = self.refused.read(path).await? {
            return Ok(Some(bytes));
        }
        let [even, odd] = self.places(path).await?;
        let latest = [even, odd].into_iter().flatten().max_by_key(|whole| whole.number);
        Ok(latest.map(|whole| whole.content))
    }

    /// Saves a file; until this is done, what was there before is what is read.
    ///
    /// # Errors
    /// Where the store refuses. The content is then kept in memory alone, and read from there.
    pub async fn save(&self, path: &str, content: &[u8]) -> Result<(), StoreError> {
        let outcome = self.try_save(path, content).await;
        match &outcome {
            Ok(()) => drop(self.refused.files.borrow_mut().remove(path)),
            Err(_) => self.refused.write(path, content.to_vec()).await?,
        }
        outcome
    }

    async fn try_save(&self, path: &str, content: &[u8]) -> Result<(), StoreError> {
        let known = self.numbers.borrow().get(path).copied();
        let [even, odd] = match known {
            Some(numbers) => numbers,
            None => self.places(path).await?.map(|whole| whole.map(|whole| whole.number)),
        };
        let number = even.max(odd).map_or(0, |latest| latest + 1);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + content.len());
        bytes.extend(MAGIC);
        bytes.extend(number.to_le_bytes());
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend(check_sum(number, content).to_le_bytes());
        bytes.extend(content);
        // The place of the older writing, or the one that is not whole.
        let place = match (even, odd) {
            (Some(even), Some(odd)) => usize::from(even > odd),
            (Some(_), None) => 1,
            (None, _) => 0,
        };
        let outcome = self.store.write(&at(path, place), bytes).await;
        let mut numbers = [even, odd];
        numbers[place] = outcome.is_ok().then_some(number);
        self.numbers.borrow_mut().insert(path.to_owned(), numbers);
        outcome
    }

    /// Tries once more to save what the store refused; nothing where it refused nothing.
    ///
    /// # Errors
    /// Where the store refuses again.
    pub async fn retry(&self, path: &str) -> Result<(), StoreError> {
        match self.refused.read(path).await? {
            Some(content) => self.save(path, &content).await,
            None => Ok(()),
        }
    }

    /// Whether the content of a file is in memory alone, because the store refused it.
    pub fn is_refused(&self, path: &str) -> bool {
        self.refused.files.borrow().contains_key(path)
    }

    /// Keeps a content in memory, over what the store has.
    ///
    /// # Errors
    /// None; as [`Store::write`].
    pub async fn hold(&self, path: &str, content: &[u8]) -> Result<(), StoreError> {
        self.refused.write(path, content.to_vec()).await
    }

    /// As [`Store::lock`].
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn lock(&self, path: &str) -> Result<Option<Box<dyn Any>>, StoreError> {
        self.store.lock(path).await
    }

    /// Removes a folder with all its files.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn remove(&self, folder: &str) -> Result<(), StoreError> {
        self.numbers.borrow_mut().retain(|path, _| !path.starts_with(&format!("{folder}/")));
        self.refused.remove(folder).await?;
        self.store.remove(folder).await
    }

    /// Names of the folders.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn folders(&self) -> Result<Vec<String>, StoreError> {
        let mut folders = self.store.folders().await?;
        folders.extend(self.refused.folders().await?);
        folders.sort_unstable();
        folders.dedup();
        Ok(folders)
    }

    async fn places(&self, path: &str) -> Result<[Option<Whole>; 2], StoreError> {
        let places = [self.store.read(&at(path, 0)).await?, self.store.read(&at(path, 1)).await?];
        let places = places.map(|bytes| bytes.and_then(whole));
        let numbers = [0, 1].map(|place: usize| places[place].as_ref().map(|whole| whole.number));
        self.numbers.borrow_mut().insert(path.to_owned(), numbers);
        Ok(places)
    }
}

fn at(path: &str, place: usize) -> String {
    format!("{path}.{place}")
}

/// The content of a place that was written to its end.
fn whole(mut bytes: Vec<u8>) -> Option<Whole> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let word = |at: usize| header[at..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    let (number, length, sum) = (word(8)?, word(16)?, word(24)?);
    let is_whole = header.starts_with(&MAGIC)
        && length == (bytes.len() - HEADER_BYTES) as u64
        && sum == check_sum(number, &bytes[HEADER_BYTES..]);
    is_whole.then(|| Whole { number, content: bytes.split_off(HEADER_BYTES) })
}

/// FNV-1a over words of eight bytes: it tells a torn writing, and costs little beside the writing.
fn check_sum(number: u64, content: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    let (words, rest) = content.as_chunks::<8>();
    let hash = words.iter().fold(mix(0xcbf2_9ce4_8422_2325, number), |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

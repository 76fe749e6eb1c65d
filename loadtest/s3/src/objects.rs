//! Buckets in memory, or in memory and in a folder.
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

/// Changes that a list which is behind may not know of, at most.
pub const BEHIND_MAX: usize = 1024;

/// How a write's condition is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conditions {
    /// Looked at and written under one lock.
    #[default]
    Kept,
    /// Looked at, and written a little later whatever became of the object meanwhile: what a store does that was not made for it.
    Racy,
    /// Not looked at: what a store does that does not know them.
    Ignored,
    /// Kept for objects that are written at once, racy for those in parts.
    RacyParts,
}

/// What a write demands of what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    None,
    /// That there is no object: `If-None-Match: *`.
    Absent,
    /// An object of this tag: `If-Match`.
    Tag(String),
    /// Any object: `If-Match: *`.
    Present,
}

/// Why nothing was written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such bucket.
    NoBucket,
    /// There is no object to match: 404.
    NoKey,
    /// The condition does not hold: 412.
    Condition,
    /// There is no such upload.
    NoUpload,
    /// A part that is named was not uploaded, or is another.
    InvalidPart,
    /// The folder failed.
    Folder(String),
}

/// An object.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its entity tag, without quotes: the same for the same bytes, as S3's.
    pub tag: String,
    /// When it was written.
    pub modified: SystemTime,
}

#[derive(Debug, Default)]
struct Bucket {
    objects: BTreeMap<String, Held>,
    uploads: BTreeMap<String, Upload>,
    /// The last changes, newest last: what was there before.
    changes: VecDeque<(String, Option<Held>)>,
    changed: usize,
    refused: usize,
}

#[derive(Debug)]
struct Upload {
    key: String,
    parts: BTreeMap<i32, (String, Bytes)>,
}

/// All buckets.
#[derive(Debug)]
pub struct Objects {
    buckets: Mutex<State>,
    conditions: Conditions,
    folder: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<String, Bucket>,
    uploads: u64,
}

impl Objects {
    /// Buckets that are kept in a folder, if one is named: what is there is read.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(conditions: Conditions, folder: Option<PathBuf>) -> io::Result<Objects> {
        let mut state = State::default();
        if let Some(folder) = &folder {
            fs::create_dir_all(folder)?;
            for bucket in fs::read_dir(folder)? {
                let bucket = bucket?;
                let held = state.buckets.entry(bucket.file_name().to_string_lossy().into_owned()).or_default();
                for file in fs::read_dir(bucket.path())? {
                    let file = file?;
                    let Some(key) = unhex(&file.file_name().to_string_lossy()) else { continue };
                    let bytes = Bytes::from(fs::read(file.path())?);
                    let (tag, bytes) = split_tag(&bytes);
                    held.objects.insert(key, Held { tag, bytes, modified: file.metadata()?.modified()? });
                }
            }
        }
        Ok(Objects { buckets: Mutex::new(state), conditions, folder })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.buckets.lock().expect("nobody panics holding the buckets")
    }

    /// Makes a bucket, if there is none of this name.
    pub fn create_bucket(&self, name: &str) {
        self.lock().buckets.entry(name.to_owned()).or_default();
        if let Some(folder) = &self.folder {
            let _ = fs::create_dir_all(folder.join(name)); // A write says so if it is missing.
        }
    }

    /// Whether there is such a bucket.
    pub fn has_bucket(&self, name: &str) -> bool {
        self.lock().buckets.contains_key(name)
    }

    /// An object.
    ///
    /// # Errors
    /// `NoBucket`.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Option<Held>, Refusal> {
        let state = self.lock();
        let bucket = state.buckets.get(bucket).ok_or(Refusal::NoBucket)?;
        Ok(bucket.objects.get(key).cloned())
    }

    /// Writes an object if the condition holds; its tag.
    ///
    /// # Errors
    /// `NoBucket`, `NoKey`, `Condition`.
    pub async fn put(&self, bucket: &str, key: &str, bytes: Bytes, condition: &Condition) -> Result<String, Refusal> {
        let tag = tag_of(&[&bytes]);
        self.change(bucket, key, Some((tag.clone(), bytes)), condition, self.conditions).await?;
        Ok(tag)
    }

    /// Removes an object if the condition holds. One that is not there is removed, too, unless a condition asks for it.
    ///
    /// # Errors
    /// `NoBucket`, `NoKey`, `Condition`.
    pub async fn delete(&self, bucket: &str, key: &str, condition: &Condition) -> Result<(), Refusal> {
        self.change(bucket, key, None, condition, self.conditions).await
    }

    async fn change(
        &self,
        bucket: &str,
        key: &str,
        new: Option<(String, Bytes)>,
        condition: &Condition,
        kept: Conditions,
    ) -> Result<(), Refusal> {
        match kept {
            Conditions::Kept | Conditions::RacyParts => {}
            Conditions::Ignored => return self.write(bucket, key, new, &Condition::None),
            Conditions::Racy => {
                self.judge(bucket, key, condition)?;
                tokio::time::sleep(Duration::from_millis(2)).await;
                return self.write(bucket, key, new, &Condition::None);
            }
        }
        self.write(bucket, key, new, condition)
    }

    fn judge(&self, bucket: &str, key: &str, condition: &Condition) -> Result<(), Refusal> {
        let state = self.lock();
        let bucket = state.buckets.get(bucket).ok_or(Refusal::NoBucket)?;
        allows(condition, bucket.objects.get(key))
    }

    fn write(&self, name: &str, key: &str, new: Option<(String, Bytes)>, condition: &Condition) -> Result<(), Refusal> {
        let mut state = self.lock();
        let bucket = state.buckets.get_mut(name).ok_or(Refusal::NoBucket)?;
        if let Err(refusal) = allows(condition, bucket.objects.get(key)) {
            bucket.refused += 1;
            return Err(refusal);
        }
        if let Some(folder) = &self.folder {
            keep(&folder.join(name), key, new.as_ref()).map_err(|error| Refusal::Folder(error.to_string()))?;
        }
        let before = match new {
            Some((tag, bytes)) => {
                bucket.objects.insert(key.to_owned(), Held { bytes, tag, modified: SystemTime::now() })
            }
            None => bucket.objects.remove(key),
        };
        bucket.changed += 1;
        bucket.changes.push_back((key.to_owned(), before));
        if bucket.changes.len() > BEHIND_MAX {
            bucket.changes.pop_front();
        }
        Ok(())
    }

    /// The keys that begin with `prefix` and come after `after`, up to `limit`, and whether there are more; as the bucket was
    /// `behind` changes ago.
    ///
    /// # Errors
    /// `NoBucket`.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        limit: usize,
        behind: usize,
    ) -> Result<(Vec<(String, Held)>, bool), Refusal> {
        let state = self.lock();
        let bucket = state.buckets.get(bucket).ok_or(Refusal::NoBucket)?;
        if behind == 0 {
            let from = if after >= prefix { Bound::Excluded(after) } else { Bound::Included(prefix) };
            let from = bucket.objects.range::<str, _>((from, Bound::Unbounded));
            let mut found = from.take_while(|(key, _)| key.starts_with(prefix));
            let page = found.by_ref().take(limit).map(|(key, held)| (key.clone(), held.clone())).collect();
            return Ok((page, found.next().is_some()));
        }
        let mut past: BTreeMap<&str, Option<&Held>> = BTreeMap::new();
        for (key, before) in bucket.changes.iter().rev().take(behind) {
            past.insert(key, before.as_ref());
        }
        let now = bucket.objects.iter().map(|(key, held)| (key.as_str(), held));
        let mut seen: BTreeMap<&str, &Held> = now.filter(|(key, _)| !past.contains_key(key)).collect();
        seen.extend(past.into_iter().filter_map(|(key, held)| Some((key, held?))));
        let mut found = seen.into_iter().filter(|(key, _)| key.starts_with(prefix) && *key > after);
        let page = found.by_ref().take(limit).map(|(key, held)| (key.to_owned(), held.clone())).collect();
        Ok((page, found.next().is_some()))
    }

    /// Writes and removals that were done.
    pub fn changes(&self, bucket: &str) -> usize {
        self.lock().buckets.get(bucket).map_or(0, |bucket| bucket.changed)
    }

    /// Writes and removals whose condition did not hold when they were to be done.
    pub fn refused(&self, bucket: &str) -> usize {
        self.lock().buckets.get(bucket).map_or(0, |bucket| bucket.refused)
    }

    /// Begins an upload in parts; its name.
    ///
    /// # Errors
    /// `NoBucket`.
    pub fn begin_upload(&self, bucket: &str, key: &str) -> Result<String, Refusal> {
        let mut state = self.lock();
        state.uploads += 1;
        let name = format!("upload-{}", state.uploads);
        let bucket = state.buckets.get_mut(bucket).ok_or(Refusal::NoBucket)?;
        bucket.uploads.insert(name.clone(), Upload { key: key.to_owned(), parts: BTreeMap::new() });
        Ok(name)
    }

    /// Takes a part; its tag.
    ///
    /// # Errors
    /// `NoBucket`, `NoUpload`.
    pub fn put_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<String, Refusal> {
        let tag = tag_of(&[&bytes]);
        let mut state = self.lock();
        let bucket = state.buckets.get_mut(bucket).ok_or(Refusal::NoBucket)?;
        let upload = bucket.uploads.get_mut(upload).filter(|upload| upload.key == key).ok_or(Refusal::NoUpload)?;
        upload.parts.insert(number, (tag.clone(), bytes));
        Ok(tag)
    }

    /// Makes an object of the parts that are named, if the condition holds; its tag.
    ///
    /// # Errors
    /// `NoBucket`, `NoUpload`, `InvalidPart`, `NoKey`, `Condition`.
    pub async fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        parts: &[(i32, String)],
        condition: &Condition,
    ) -> Result<String, Refusal> {
        let whole: Vec<Bytes> = {
            let state = self.lock();
            let held = state.buckets.get(bucket).ok_or(Refusal::NoBucket)?;
            let upload = held.uploads.get(upload).filter(|upload| upload.key == key).ok_or(Refusal::NoUpload)?;
            let part = |(number, tag): &(i32, String)| {
                let (held, bytes) = upload.parts.get(number)?;
                (held == tag).then(|| bytes.clone())
            };
            parts.iter().map(part).collect::<Option<_>>().ok_or(Refusal::InvalidPart)?
        };
        let tag = format!("{}-{}", tag_of(&whole.iter().collect::<Vec<_>>()), whole.len());
        let bytes = Bytes::from(whole.concat());
        let kept = if self.conditions == Conditions::RacyParts { Conditions::Racy } else { self.conditions };
        self.change(bucket, key, Some((tag.clone(), bytes)), condition, kept).await?;
        self.abort_upload(bucket, upload);
        Ok(tag)
    }

    /// Forgets an upload. Whether there was one.
    pub fn abort_upload(&self, bucket: &str, upload: &str) -> bool {
        self.lock().buckets.get_mut(bucket).is_some_and(|bucket| bucket.uploads.remove(upload).is_some())
    }

    /// Uploads that were begun and neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.lock().buckets.values().map(|bucket| bucket.uploads.len()).sum()
    }
}

fn allows(condition: &Condition, there: Option<&Held>) -> Result<(), Refusal> {
    match (condition, there) {
        (Condition::None, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => Ok(()),
        (Condition::Absent, Some(_)) => Err(Refusal::Condition),
        (Condition::Tag(_) | Condition::Present, None) => Err(Refusal::NoKey),
        (Condition::Tag(tag), Some(held)) if *tag == held.tag => Ok(()),
        (Condition::Tag(_), Some(_)) => Err(Refusal::Condition),
    }
}

/// 128 bits of the bytes' hash.
fn tag_of(parts: &[&Bytes]) -> String {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    hasher.finalize().to_hex()[..32].to_owned()
}

/// A file is the tag, a line feed, the bytes. Its name is the key in hexadecimal: two keys never share a path.
fn keep(folder: &std::path::Path, key: &str, new: Option<&(String, Bytes)>) -> io::Result<()> {
    let path = folder.join(hex(key));
    let Some((tag, bytes)) = new else {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    let making = folder.join("making");
    fs::write(&making, [tag.as_bytes(), b"\n", bytes].concat())?;
    fs::rename(making, path)
}

fn split_tag(file: &Bytes) -> (String, Bytes) {
    let end = file.iter().position(|byte| *byte == b'\n').unwrap_or(file.len());
    let tag = String::from_utf8_lossy(&file[..end]).into_owned();
    (tag, file.slice((end + 1).min(file.len())..))
}

fn hex(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(name: &str) -> Option<String> {
    let pairs = name.as_bytes().chunks(2);
    let bytes =
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect::<Option<_>>()?;
    String::from_utf8(bytes).ok()
}

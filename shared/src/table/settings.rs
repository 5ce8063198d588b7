//! Settings by version, and small records that settings-like things need.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Freshness, Item, Table, Trouble, get_number, get_text, number, text};
use crate::values::Moment;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::operation::query::QueryInput;

/// One stored version of one kind of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// What is set: `program`, a dry run's id and so on.
    pub subject: String,
    /// The version's number.
    pub version: u32,
    /// The settings as JSON.
    pub text: String,
    /// How often a record that is written over has been; 0 for what never is.
    pub revision: u64,
}

impl StoredVersion {
    /// A version that is written once.
    #[must_use]
    pub const fn new(subject: String, version: u32, text: String) -> Self {
        Self { subject, version, text, revision: 0 }
    }

    pub(super) fn item(&self) -> Item {
        Item::from([
            ("subject".into(), text(&self.subject)),
            ("version".into(), number(self.version)),
            ("content".into(), text(&self.text)),
        ])
    }
}

/// Settings last read, shared by all requests of one process.
#[derive(Debug)]
pub(crate) struct Kept<T>(Mutex<Option<(Moment, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Kept<T> {
    /// What was read, unless that is longer ago than `fresh_for`.
    pub(crate) fn get(&self, wall: Moment, fresh_for: Duration) -> Option<Arc<T>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, settings) = kept.as_ref()?;
        (wall.since(*read) < fresh_for).then(|| Arc::clone(settings))
    }

    pub(crate) fn put(&self, wall: Moment, settings: &Arc<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((wall, Arc::clone(settings)));
    }

    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Table {
    /// Versions of a subject from a number on, oldest first. One call.
    pub async fn versions(&self, subject: &str, from: u32) -> Result<Vec<StoredVersion>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.settings)
            .key_condition_expression("#s = :s AND #v >= :v")
            .expression_attribute_names("#s", "subject")
            .expression_attribute_names("#v", "version")
            .expression_attribute_values(":s", text(subject))
            .expression_attribute_values(":v", number(from))
            .consistent_read(true);
        let answer = self.ask(query).await?;
        answer.items().iter().map(|item| read_version(subject, item)).collect()
    }

    /// The newest versions of a subject up to one, newest first, at most so many. One call.
    pub async fn versions_up_to(&self, subject: &str, last: u32, most: u32) -> Result<Vec<StoredVersion>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.settings)
            .key_condition_expression("#s = :s AND #v <= :v")
            .expression_attribute_names("#s", "subject")
            .expression_attribute_names("#v", "version")
            .expression_attribute_values(":s", text(subject))
            .expression_attribute_values(":v", number(last))
            .scan_index_forward(false)
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .consistent_read(true);
        let answer = self.ask(query).await?;
        answer.items().iter().map(|item| read_version(subject, item)).collect()
    }

    /// The newest version of a subject. One call.
    pub async fn newest_version(&self, subject: &str) -> Result<Option<StoredVersion>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.settings)
            .key_condition_expression("#s = :s")
            .expression_attribute_names("#s", "subject")
            .expression_attribute_values(":s", text(subject))
            .scan_index_forward(false)
            .limit(1)
            .consistent_read(true);
        let answer = self.ask(query).await?;
        answer.items().first().map(|item| read_version(subject, item)).transpose()
    }

    /// One version of a subject. One call.
    pub async fn version(&self, subject: &str, version: u32) -> Result<Option<StoredVersion>, Trouble> {
        let key = Item::from([("subject".into(), text(subject)), ("version".into(), number(version))]);
        let item = self.get(&self.names.settings, key, Freshness::Latest).await?;
        item.as_ref().map(|item| read_version(subject, item)).transpose()
    }

    /// Writes a record over the revision that was read; false when another write was faster. One call.
    pub async fn replace_version(&self, version: &StoredVersion) -> Result<bool, Trouble> {
        let mut item = version.item();
        item.insert("revision".into(), number(version.revision + 1));
        let put = PutItemInput::builder()
            .table_name(&self.names.settings)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#r) OR #r = :r")
            .expression_attribute_names("#r", "revision")
            .expression_attribute_values(":r", number(version.revision));
        self.put_if(put).await
    }
}

fn read_version(subject: &str, item: &Item) -> Result<StoredVersion, Trouble> {
    let content = get_text(item, "content").ok_or_else(|| Trouble::defect("settings have no content"))?;
    let version = get_number(item, "version").ok_or_else(|| Trouble::defect("settings have no version"))?;
    let revision = get_number(item, "revision").unwrap_or(0);
    Ok(StoredVersion { subject: subject.to_owned(), version, text: content.to_owned(), revision })
}

//! Scans of a table in parts.
//!
//! The engine finds the items of a part by a hash that it keeps with each of them, without an index: every page would
//! look through the whole table and sort it. So a table that is scanned in parts is given an index, once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::engine::Engine;

/// The part of a scan that says which part of the table it wants.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Scan {
    table_name: String,
    total_segments: Option<u32>,
}

/// The tables that have been scanned in parts. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    indexed: Arc<Mutex<BTreeSet<String>>>,
}

impl Parts {
    /// Makes a scan in parts cost what it reads. A table that can't be indexed is scanned slowly.
    pub(super) fn prepare(&self, engine: &Engine, scan: &[u8]) {
        let Ok(Scan { table_name, total_segments: Some(_) }) = serde_json::from_slice(scan) else { return };
        let mut indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        if indexed.contains(&table_name) {
            return;
        }
        let name = table_name.replace('"', "\"\"");
        let index = format!("CREATE INDEX IF NOT EXISTS \"parts of {name}\" ON \"{name}\" (hash_prefix, pk, sk)");
        if let Err(error) = engine.define(|storage| Ok(storage.conn().execute_batch(&index)?)) {
            tracing::warn!(table = table_name, %error, "a scan in parts has no index");
        }
        indexed.insert(table_name);
    }
}

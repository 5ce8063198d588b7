//! What a request costs at the table: calls and capacity units, counted where the calls are made.

use std::cell::Cell;
use std::future::Future;

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Calls and capacity units of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Calls to the table.
    pub calls: u32,
    /// Read request units.
    pub read_units: f64,
    /// Write request units.
    pub write_units: f64,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rru={};wru={};calls={}", self.read_units, self.write_units, self.calls)
    }
}

tokio::task_local! {
    static METER: Cell<Cost>;
}

/// Runs a request and says what it cost.
///
/// The count follows the task, so a request must not spawn its table calls onto other tasks.
pub async fn metered<F: Future>(request: F) -> (F::Output, Cost) {
    METER
        .scope(Cell::new(Cost::default()), async {
            let output = request.await;
            (output, METER.with(Cell::get))
        })
        .await
}

/// Whether a call reads or writes, for tables that report one figure.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Read,
    Write,
}

pub(super) fn count<'a>(kind: Kind, consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
    let (mut reads, mut writes) = (0.0, 0.0);
    for capacity in consumed {
        // Transactions report both figures apart, everything else one total.
        match (capacity.read_capacity_units(), capacity.write_capacity_units(), capacity.capacity_units(), kind) {
            (None, None, total, Kind::Read) => reads += total.unwrap_or(0.0),
            (None, None, total, Kind::Write) => writes += total.unwrap_or(0.0),
            (read, write, ..) => {
                reads += read.unwrap_or(0.0);
                writes += write.unwrap_or(0.0);
            }
        }
    }
    add(reads, writes);
}

/// Counts a call whose units are known as one figure.
pub(super) fn count_units(kind: Kind, units: f64) {
    match kind {
        Kind::Read => add(units, 0.0),
        Kind::Write => add(0.0, units),
    }
}

fn add(reads: f64, writes: f64) {
    let _ = METER.try_with(|meter| {
        let cost = meter.get();
        meter.set(Cost {
            calls: cost.calls + 1,
            read_units: cost.read_units + reads,
            write_units: cost.write_units + writes,
        });
    });
}

//! Counters of attempts: how often something was tried within a window, under a keyed hash that tells neither by whom
//! nor from where.
//!
//! A table of their own, so that functions which anybody may call get no right to write where identities lie, and so
//! that a flood of guesses takes no throughput from log-ins. Every window has its own item, which lapses after it: no
//! partition is hot for longer, and none grows.

use aws_sdk_dynamodb::operation::update_item::UpdateItemInput;

use super::{Table, Trouble, binary, number};
use crate::values::Moment;

/// The keyed hash of what is limited, whose attempts they are, and the window.
pub type CounterKey = [u8; 32];

impl Table {
    /// Counts one attempt of a window that ends then; false, and nothing counted, when there were `most` before.
    ///
    /// One call, one write unit. An attempt whose answer was lost may count twice: a limit is then tighter, never wider.
    pub async fn count_attempt(&self, counter: CounterKey, most: u32, ends: Moment) -> Result<bool, Trouble> {
        let update = UpdateItemInput::builder()
            .table_name(&self.names.attempts)
            .key("counter", binary(counter))
            .update_expression("SET #gone = :ends ADD #times :once")
            .condition_expression("attribute_not_exists(#times) OR #times < :most")
            .expression_attribute_names("#gone", "gone_at")
            .expression_attribute_names("#times", "times")
            .expression_attribute_values(":ends", number(ends.seconds()))
            .expression_attribute_values(":once", number(1))
            .expression_attribute_values(":most", number(most));
        Ok(self.update(update).await?.is_some())
    }
}

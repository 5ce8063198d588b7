//! What playbooks have used of their budgets: one counter per segment and period, beside the settings.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};

use super::{Freshness, Item, Table, Trouble, get_number, number, text, update_in_transaction};
use crate::domain::playbook::{Charge, Spent};
use crate::values::{Code, Fen, LocalDay};

/// A period's counter. No kind of settings has a name that begins like this.
fn key(segment: &Code, since: LocalDay) -> Item {
    let subject = text(format!("playbook-budget.{segment}"));
    Item::from([("subject".into(), subject), ("version".into(), number(since.number()))])
}

/// Takes a charge from its budget, on condition that enough of it is left.
pub(super) fn write_charge(table: &Table, charge: &Charge) -> Result<TransactWriteItem, Trouble> {
    let mut room = Vec::new();
    let mut update = Update::builder()
        .table_name(&table.names.settings)
        .set_key(Some(key(&charge.segment, charge.since)))
        .update_expression("ADD #times :once, #fen :cost")
        .expression_attribute_names("#times", "times")
        .expression_attribute_names("#fen", "fen")
        .expression_attribute_values(":once", number(1))
        .expression_attribute_values(":cost", number(charge.cost));
    if let Some(most) = charge.budget.times {
        room.push("#times < :times");
        update = update.expression_attribute_values(":times", number(most));
    }
    if let Some(most) = charge.budget.fen {
        room.push("#fen <= :fen");
        update = update.expression_attribute_values(":fen", number(most.saturating_sub(charge.cost)));
    }
    if !room.is_empty() {
        // Saved budgets allow at least one time, so the first is within them.
        update = update.condition_expression(format!("attribute_not_exists(#times) OR ({})", room.join(" AND ")));
    }
    update_in_transaction(update)
}

impl Table {
    /// What a playbook has used in the period that began on `since`. One call.
    pub async fn spent(&self, segment: &Code, since: LocalDay) -> Result<Spent, Trouble> {
        let counter = self.get(&self.names.settings, key(segment, since), Freshness::Latest).await?;
        let number = |name| counter.as_ref().and_then(|item| get_number::<u64>(item, name)).unwrap_or(0);
        Ok(Spent { times: u32::try_from(number("times")).unwrap_or(u32::MAX), fen: Fen::computed(number("fen")) })
    }
}

//! How many of each coupon are used: one counter per coupon, beside the settings.
//!
//! A counter is one item, and two transactions on one item at the same time are refused and tried again: with 10 ms for
//! one, every second of 50 reservations a second of one coupon is, and all of them are there in the end. What wants
//! more at once wants a counter in shards, as campaigns' budgets have.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};

use super::{Item, Table, Trouble, get_number, get_text, number, text, update_in_transaction};
use crate::domain::coupon::Coupon;
use crate::values::Code;

/// No kind of settings has a name that begins like this.
const STOCK: &str = "coupon-stock.";

fn key(coupon: &Code) -> Item {
    Item::from([("subject".into(), text(format!("{STOCK}{coupon}"))), ("version".into(), number(1))])
}

/// Takes one from a coupon's stock, on condition that there is one left.
pub(super) fn write_coupon_taken(table: &Table, coupon: &Coupon) -> Result<TransactWriteItem, Trouble> {
    let update = Update::builder()
        .table_name(&table.names.settings)
        .set_key(Some(key(&coupon.id)))
        .update_expression("ADD #used :one")
        // Saved coupons have a stock of at least one, so the first is within it.
        .condition_expression("attribute_not_exists(#used) OR #used < :stock")
        .expression_attribute_names("#used", "used")
        .expression_attribute_values(":one", number(1))
        .expression_attribute_values(":stock", number(coupon.stock));
    update_in_transaction(update)
}

/// Puts one back.
pub(super) fn write_coupon_back(table: &Table, coupon: &Code) -> Result<TransactWriteItem, Trouble> {
    let update = Update::builder()
        .table_name(&table.names.settings)
        .set_key(Some(key(coupon)))
        .update_expression("ADD #used :less")
        .expression_attribute_names("#used", "used")
        .expression_attribute_values(":less", number(-1));
    update_in_transaction(update)
}

impl Table {
    /// How many of each coupon are reserved or redeemed. One call for all of a programme.
    pub async fn coupons_used(&self, coupons: &[Coupon]) -> Result<BTreeMap<Code, u64>, Trouble> {
        if coupons.is_empty() {
            return Ok(BTreeMap::new());
        }
        let keys = coupons.iter().map(|coupon| key(&coupon.id)).collect();
        let found = self.batch_get(&self.names.settings, keys, false).await?;
        let read = |item: &Item| {
            let coupon = Code::parse(get_text(item, "subject")?.strip_prefix(STOCK)?).ok()?;
            Some((coupon, get_number(item, "used")?))
        };
        Ok(found.iter().filter_map(read).collect())
    }
}

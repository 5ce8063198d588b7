//! Identities: keyed hashes of openids, unionids, phones, cards and invite codes, each leading to one member.

use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::types::{Delete, TransactWriteItem, Update};

use super::{
    Item, Table, Trouble, binary, get_binary, get_text, in_transaction, number, put_over, text, update_in_transaction,
};
use crate::values::{MemberId, Moment};

/// The keyed hash of something by which a person can be found. What was hashed can't be told from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub [u8; 32]);

impl Identity {
    fn item(&self, member: MemberId) -> Item {
        Item::from([("identity".into(), binary(self.0)), ("member".into(), text(member.to_string()))])
    }

    pub(super) fn claim(&self, table: &Table, member: MemberId) -> Result<TransactWriteItem, Trouble> {
        in_transaction(put_over(&table.names.identities, self.item(member), "identity", 0))
    }

    pub(super) fn pass(&self, table: &Table, from: MemberId, to: MemberId) -> Result<TransactWriteItem, Trouble> {
        let update = Update::builder()
            .table_name(&table.names.identities)
            .key("identity", binary(self.0))
            .update_expression("SET #m = :to")
            .condition_expression("#m = :from")
            .expression_attribute_names("#m", "member")
            .expression_attribute_values(":from", text(from.to_string()))
            .expression_attribute_values(":to", text(to.to_string()));
        update_in_transaction(update)
    }

    pub(super) fn release(&self, table: &Table, member: MemberId) -> Result<TransactWriteItem, Trouble> {
        let delete = Delete::builder()
            .table_name(&table.names.identities)
            .key("identity", binary(self.0))
            .condition_expression("#m = :m")
            .expression_attribute_names("#m", "member")
            .expression_attribute_values(":m", text(member.to_string()))
            .build()
            .map_err(Trouble::defect)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

impl Table {
    /// Who has these identities, in the order asked; `None` for one that nobody has. One call for up to 100.
    pub async fn owners(&self, identities: &[Identity]) -> Result<Vec<Option<MemberId>>, Trouble> {
        let mut wanted: Vec<Identity> = Vec::with_capacity(identities.len());
        for identity in identities {
            if !wanted.contains(identity) {
                wanted.push(*identity);
            }
        }
        let keys = wanted.iter().map(|i| Item::from([("identity".into(), binary(i.0))]));
        let items = self.batch_get(&self.names.identities, keys.collect(), true).await?;
        let owner = |identity: &Identity| {
            let item = items.iter().find(|item| get_binary(item, "identity") == Some(&identity.0))?;
            get_text(item, "member").and_then(|m| MemberId::parse(m).ok())
        };
        Ok(identities.iter().map(owner).collect())
    }

    /// Notes that a signed request was answered; false when it had been before. One call, one write unit.
    ///
    /// The note lapses when the signature would be refused for its age anyway.
    pub async fn use_signature_once(&self, digest: &[u8], until: Moment) -> Result<bool, Trouble> {
        let put = PutItemInput::builder()
            .table_name(&self.names.identities)
            .item("identity", binary(digest))
            .item("gone_at", number(until.seconds()))
            .condition_expression("attribute_not_exists(#i)")
            .expression_attribute_names("#i", "identity");
        self.put_if(put).await
    }
}

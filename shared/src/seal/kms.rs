//! The master key that never leaves AWS KMS.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{MasterKey, MemberKey, SealError};
use crate::aws::{Aws, NoAnswer, Service};
use crate::values::MemberId;

/// Wraps members' keys with a symmetric KMS key, bound to the member by the encryption context `member=ID`, which
/// also names the member in the account's audit trail.
///
/// Each call is one request to KMS, of the kind that is billed by the ten thousand.
#[derive(Clone)]
pub struct KmsMasterKey {
    /// AWS.
    pub aws: Aws,
    /// The key's id, ARN or alias.
    pub key_id: String,
}

impl KmsMasterKey {
    /// Asks with the key and the context, whose names are deployed, so they stay. Naming the key keeps anybody from
    /// slipping in bytes that a key of their own encrypted.
    async fn ask(
        &self,
        operation: &str,
        member: MemberId,
        given: (&str, &[u8]),
        wanted: &str,
    ) -> Result<Vec<u8>, SealError> {
        let (name, bytes) = given;
        let context = json!({ "member": member });
        let question = json!({ "KeyId": self.key_id, "EncryptionContext": context, name: STANDARD.encode(bytes) });
        let answer = self.aws.ask(Service::Kms, operation, &question).await?;
        let bytes = answer.get(wanted).and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
        bytes.ok_or_else(|| SealError::Unavailable("an empty answer".to_owned()))
    }
}

/// Tells what may pass from what somebody has to mend. Only the error's code is kept: nothing personal is in it.
impl From<NoAnswer> for SealError {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::NotReached(_) => Self::Unavailable("no answer".to_owned()),
            NoAnswer::Fails(why) => Self::Unavailable(why),
            NoAnswer::Refuses(code) => match code.as_str() {
                "InvalidCiphertextException" | "IncorrectKeyException" => Self::Unsealable,
                "AccessDeniedException"
                | "DisabledException"
                | "InvalidKeyUsageException"
                | "KMSInvalidStateException"
                | "NotFoundException"
                | "UnrecognizedClientException"
                | "ValidationException" => Self::Refused(code),
                // Whatever KMS may think of next.
                _ => Self::Unavailable(code),
            },
        }
    }
}

impl MasterKey for KmsMasterKey {
    fn wrap<'a>(&'a self, member: MemberId, key: &'a MemberKey) -> BoxFuture<'a, Result<Vec<u8>, SealError>> {
        Box::pin(self.ask("TrentService.Encrypt", member, ("Plaintext", key.bytes()), "CiphertextBlob"))
    }

    fn unwrap<'a>(&'a self, member: MemberId, wrapped: &'a [u8]) -> BoxFuture<'a, Result<MemberKey, SealError>> {
        Box::pin(async move {
            let plain = self.ask("TrentService.Decrypt", member, ("CiphertextBlob", wrapped), "Plaintext").await?;
            plain.try_into().map(MemberKey::from_bytes).map_err(|_| SealError::Malformed)
        })
    }
}

impl fmt::Debug for KmsMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KmsMasterKey({})", self.key_id)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::aws::fake::{Fake, aws};

    fn answering(status: u16, answer: Value) -> (KmsMasterKey, Arc<Fake>) {
        let fake = Fake::answering([Ok((status, answer))]);
        (KmsMasterKey { aws: aws(&fake), key_id: "alias/huitou".to_owned() }, fake)
    }

    fn member() -> MemberId {
        MemberId::from_random([1; 16])
    }

    fn base64(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }

    #[tokio::test]
    async fn keys_are_wrapped_and_unwrapped_in_the_context_of_their_member() {
        let (kms, fake) = answering(200, json!({"CiphertextBlob": base64(b"wrapped")}));
        assert_eq!(kms.wrap(member(), &MemberKey::from_bytes([7; 32])).await.unwrap(), b"wrapped");
        let context = json!({"member": member().to_string()});
        let wanted = json!({"KeyId": "alias/huitou", "EncryptionContext": context, "Plaintext": base64(&[7; 32])});
        assert_eq!(fake.questions(), [wanted]);

        let (kms, fake) = answering(200, json!({"Plaintext": base64(&[7; 32])}));
        assert_eq!(kms.unwrap(member(), b"wrapped").await.unwrap().bytes(), &[7; 32]);
        let wanted =
            json!({"KeyId": "alias/huitou", "EncryptionContext": context, "CiphertextBlob": base64(b"wrapped")});
        assert_eq!(fake.questions(), [wanted]);
    }

    #[tokio::test]
    async fn what_may_pass_is_told_from_what_somebody_has_to_mend() {
        for (status, code, wanted) in [
            (400, "InvalidCiphertextException", SealError::Unsealable),
            (400, "IncorrectKeyException", SealError::Unsealable),
            (400, "AccessDeniedException", SealError::Refused("AccessDeniedException".to_owned())),
            (400, "DisabledException", SealError::Refused("DisabledException".to_owned())),
            (400, "ThrottlingException", SealError::Unavailable("ThrottlingException".to_owned())),
            (500, "KMSInternalException", SealError::Unavailable("KMSInternalException".to_owned())),
        ] {
            let (kms, _) = answering(status, json!({"__type": code, "message": "no"}));
            assert_eq!(kms.unwrap(member(), b"wrapped").await.unwrap_err(), wanted, "{code}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_key_is_refused() {
        let (kms, _) = answering(200, json!({"Plaintext": base64(&[7; 16])}));
        assert_eq!(kms.unwrap(member(), b"wrapped").await.unwrap_err(), SealError::Malformed);
    }
}

//! The master key that never leaves AWS KMS.

use std::fmt;

use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::decrypt::DecryptError;
use aws_sdk_kms::primitives::Blob;
use futures_util::future::BoxFuture;

use super::{MasterKey, MemberKey, SealError};
use crate::later::Later;
use crate::values::MemberId;

/// Wraps members' keys with a symmetric KMS key, bound to the member by the encryption context `member=ID`, which
/// also names the member in the account's audit trail.
///
/// Each call is one request to KMS, of the kind that is billed by the ten thousand.
#[derive(Clone)]
pub struct KmsMasterKey {
    /// The client, whose settings bring retries and timeouts.
    pub client: Later<Client>,
    /// The key's id, ARN or alias.
    pub key_id: String,
}

impl KmsMasterKey {
    /// The key in the encryption context; a deployed name, so it stays.
    const MEMBER: &str = "member";

    async fn encrypt(&self, member: MemberId, key: &MemberKey) -> Result<Vec<u8>, SealError> {
        let call =
            self.client.get().encrypt().key_id(&self.key_id).encryption_context(Self::MEMBER, member.to_string());
        let answer = call.plaintext(Blob::new(key.bytes().as_slice())).send().await.map_err(|e| failed(&e))?;
        let wrapped = answer.ciphertext_blob.ok_or_else(|| SealError::Unavailable("an empty answer".to_owned()))?;
        Ok(wrapped.into_inner())
    }

    async fn decrypt(&self, member: MemberId, wrapped: &[u8]) -> Result<MemberKey, SealError> {
        // Naming the key keeps anybody from slipping in bytes that a key of their own encrypted.
        let call =
            self.client.get().decrypt().key_id(&self.key_id).encryption_context(Self::MEMBER, member.to_string());
        let answer = call.ciphertext_blob(Blob::new(wrapped)).send().await.map_err(|e| match e.as_service_error() {
            Some(DecryptError::InvalidCiphertextException(_) | DecryptError::IncorrectKeyException(_)) => {
                SealError::Unsealable
            }
            _ => failed(&e),
        })?;
        let plain = answer.plaintext.ok_or_else(|| SealError::Unavailable("an empty answer".to_owned()))?;
        plain.as_ref().try_into().map(MemberKey::from_bytes).map_err(|_| SealError::Malformed)
    }
}

/// Tells what may pass from what somebody has to mend. Only the error's code is kept: nothing personal is in it.
fn failed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> SealError {
    let Some(code) = error.as_service_error().and_then(ProvideErrorMetadata::code) else {
        return SealError::Unavailable("no answer".to_owned());
    };
    match code {
        "AccessDeniedException"
        | "DisabledException"
        | "InvalidKeyUsageException"
        | "KMSInvalidStateException"
        | "NotFoundException"
        | "UnrecognizedClientException"
        | "ValidationException" => SealError::Refused(code.to_owned()),
        // Throttling, internal errors and timeouts, and whatever KMS may think of next.
        _ => SealError::Unavailable(code.to_owned()),
    }
}

impl MasterKey for KmsMasterKey {
    fn wrap<'a>(&'a self, member: MemberId, key: &'a MemberKey) -> BoxFuture<'a, Result<Vec<u8>, SealError>> {
        Box::pin(self.encrypt(member, key))
    }

    fn unwrap<'a>(&'a self, member: MemberId, wrapped: &'a [u8]) -> BoxFuture<'a, Result<MemberKey, SealError>> {
        Box::pin(self.decrypt(member, wrapped))
    }
}

impl fmt::Debug for KmsMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KmsMasterKey({})", self.key_id)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_kms::config::retry::RetryConfig;
    use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    use super::*;

    /// Answers every request the same, and remembers what was asked.
    #[derive(Debug, Clone)]
    struct FakeKms {
        status: u16,
        answer: String,
        asked: Arc<Mutex<Vec<Value>>>,
    }

    impl HttpConnector for FakeKms {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let asked = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            self.asked.lock().unwrap().push(asked);
            let status = self.status.try_into().unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(self.answer.clone()))))
        }
    }

    fn answering(status: u16, answer: &Value) -> (KmsMasterKey, Arc<Mutex<Vec<Value>>>) {
        let asked = Arc::default();
        let kms = FakeKms { status, answer: answer.to_string(), asked: Arc::clone(&asked) };
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("cn-north-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(kms.clone())))
            .build();
        (KmsMasterKey { client: Client::from_conf(config).into(), key_id: "alias/huitou".to_owned() }, asked)
    }

    fn member() -> MemberId {
        MemberId::from_random([1; 16])
    }

    fn base64(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }

    #[tokio::test]
    async fn keys_are_wrapped_and_unwrapped_in_the_context_of_their_member() {
        let (kms, asked) = answering(200, &json!({"CiphertextBlob": base64(b"wrapped")}));
        assert_eq!(kms.wrap(member(), &MemberKey::from_bytes([7; 32])).await.unwrap(), b"wrapped");
        let context = json!({"member": member().to_string()});
        let wanted = json!({"KeyId": "alias/huitou", "EncryptionContext": context, "Plaintext": base64(&[7; 32])});
        assert_eq!(*asked.lock().unwrap(), [wanted]);

        let (kms, asked) = answering(200, &json!({"Plaintext": base64(&[7; 32])}));
        assert_eq!(kms.unwrap(member(), b"wrapped").await.unwrap().bytes(), &[7; 32]);
        let wanted =
            json!({"KeyId": "alias/huitou", "EncryptionContext": context, "CiphertextBlob": base64(b"wrapped")});
        assert_eq!(*asked.lock().unwrap(), [wanted]);
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
            let (kms, _) = answering(status, &json!({"__type": code, "message": "no"}));
            assert_eq!(kms.unwrap(member(), b"wrapped").await.unwrap_err(), wanted, "{code}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_key_is_refused() {
        let (kms, _) = answering(200, &json!({"Plaintext": base64(&[7; 16])}));
        assert_eq!(kms.unwrap(member(), b"wrapped").await.unwrap_err(), SealError::Malformed);
    }
}

//! Calls to the table and to queues, and what can go wrong with them, told apart by what has to be done about it.
//!
//! The SDK writes the questions and reads the answers; the way there is [`Aws`]'s, like that to all of AWS.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::batch_get_item::{
    BatchGetItem, BatchGetItemError, BatchGetItemInput, BatchGetItemOutput,
};
use aws_sdk_dynamodb::operation::delete_item::{DeleteItem, DeleteItemError, DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::operation::get_item::{GetItem, GetItemError, GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItem, PutItemError, PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{Query, QueryError, QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::scan::{Scan, ScanError, ScanInput, ScanOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItems, TransactWriteItemsError, TransactWriteItemsInput, TransactWriteItemsOutput,
};
use aws_sdk_dynamodb::operation::update_item::{UpdateItem, UpdateItemError, UpdateItemInput, UpdateItemOutput};
use aws_sdk_sqs::operation::send_message_batch::{
    SendMessageBatch, SendMessageBatchError, SendMessageBatchInput, SendMessageBatchOutput,
};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{
    DeserializeResponse as _, SerializeRequest as _, SharedRequestSerializer, SharedResponseDeserializer,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer};
use bytes::Bytes;

use super::{Aws, Service};
use crate::transport::Response;

/// A failure of the world, or a defect of ours; never a client's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The service can't be reached or is throttling, after all retries. Nothing half-done remains; try again later.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The call or what is stored is wrong: a defect that no retry mends.
    #[error("defect: {0}")]
    Defect(String),
}

impl Trouble {
    pub(crate) fn defect(what: impl std::fmt::Display) -> Self {
        Self::Defect(what.to_string())
    }

    /// Sorts an error of the service: our mistake, or what may pass by itself.
    fn of(error: &impl ProvideErrorMetadata) -> Self {
        let code = error.code().unwrap_or_default();
        let ours = matches!(
            code,
            "ValidationException"
                | "ResourceNotFoundException"
                | "AccessDeniedException"
                | "UnrecognizedClientException"
                | "SerializationException"
                | "IdempotentParameterMismatchException"
        );
        let what = format!("{code}: {}", error.message().unwrap_or_default());
        if ours { Self::Defect(what) } else { Self::Unavailable(what) }
    }
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(crate) enum Failure<E> {
    /// The service refuses, after all repetitions.
    Refused(E),
    /// There is no answer.
    Trouble(Trouble),
}

impl<E: ProvideErrorMetadata> From<Failure<E>> for Trouble {
    fn from(failure: Failure<E>) -> Self {
        match failure {
            Failure::Refused(error) => Self::of(&error),
            Failure::Trouble(trouble) => trouble,
        }
    }
}

impl<E> From<Trouble> for Failure<E> {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// An operation of the SDK's: what is asked, what is answered, and how the service refuses it.
pub(crate) trait Operation: RuntimePlugin + Default {
    const SERVICE: Service;
    type Question: std::fmt::Debug + Send + Sync + 'static;
    type Answer: std::fmt::Debug + Send + Sync + 'static;
    type Error: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static;
}

macro_rules! operations {
    ($service:ident $($operation:ty: $question:ty => $answer:ty, $error:ty;)*) => {$(
        impl Operation for $operation {
            const SERVICE: Service = Service::$service;
            type Question = $question;
            type Answer = $answer;
            type Error = $error;
        }
    )*};
}

operations! {
    DynamoDb
    BatchGetItem: BatchGetItemInput => BatchGetItemOutput, BatchGetItemError;
    DeleteItem: DeleteItemInput => DeleteItemOutput, DeleteItemError;
    GetItem: GetItemInput => GetItemOutput, GetItemError;
    PutItem: PutItemInput => PutItemOutput, PutItemError;
    Query: QueryInput => QueryOutput, QueryError;
    Scan: ScanInput => ScanOutput, ScanError;
    TransactWriteItems: TransactWriteItemsInput => TransactWriteItemsOutput, TransactWriteItemsError;
    UpdateItem: UpdateItemInput => UpdateItemOutput, UpdateItemError;
}

operations! {
    Sqs
    SendMessageBatch: SendMessageBatchInput => SendMessageBatchOutput, SendMessageBatchError;
}

/// Asks, and has the SDK read the answer. One call.
pub(crate) async fn call<O: Operation>(aws: &Aws, question: O::Question) -> Result<O::Answer, Failure<O::Error>> {
    let layer = layer::<O>()?;
    let answer = ask(aws, O::SERVICE, &layer, Input::erase(question)).await?;
    read::<O>(&layer, answer)
}

/// Asks, and leaves a good answer for the caller to read. One call.
pub(crate) async fn call_raw<O: Operation>(aws: &Aws, question: O::Question) -> Result<Bytes, Failure<O::Error>> {
    let layer = layer::<O>()?;
    let answer = ask(aws, O::SERVICE, &layer, Input::erase(question)).await?;
    if answer.status.is_success() {
        return Ok(answer.body);
    }
    read::<O>(&layer, answer).and_then(|_| Err(unreadable().into()))
}

/// The SDK's settings of an operation, its writer and its reader among them.
fn layer<O: Operation>() -> Result<FrozenLayer, Trouble> {
    O::default().config().ok_or_else(|| missing("layer"))
}

async fn ask(aws: &Aws, service: Service, layer: &FrozenLayer, question: Input) -> Result<Response, Trouble> {
    let writer = layer.load::<SharedRequestSerializer>().ok_or_else(|| missing("writer"))?;
    let question = writer.serialize_input(question, &mut ConfigBag::base()).map_err(Trouble::defect)?;
    let operation = question.headers().get("x-amz-target").ok_or_else(|| missing("name"))?;
    let body = question.body().bytes().map(Bytes::copy_from_slice).ok_or_else(|| missing("body"))?;
    aws.exchange(service, operation, body).await.map_err(|error| Trouble::Unavailable(error.to_string()))
}

fn read<O: Operation>(layer: &FrozenLayer, answer: Response) -> Result<O::Answer, Failure<O::Error>> {
    let mut said = http::Response::new(SdkBody::from(answer.body));
    *said.status_mut() = answer.status;
    *said.headers_mut() = answer.headers;
    let said = HttpResponse::try_from(said).map_err(Trouble::defect)?;
    let reader = layer.load::<SharedResponseDeserializer>().ok_or_else(|| missing("reader"))?;
    match reader.deserialize_nonstreaming_with_config(&said, &ConfigBag::base()) {
        Ok(answer) => answer.downcast().map_err(|_| unreadable().into()),
        Err(error) => {
            let mut refused = None;
            let _ = error.map_operation_error(|error| refused = error.downcast().ok());
            Err(refused.map_or_else(|| unreadable().into(), Failure::Refused))
        }
    }
}

fn missing(what: &str) -> Trouble {
    Trouble::defect(format!("the SDK has an operation without its {what}"))
}

/// It may be an answer of somebody on the way, whose words could be anybody's.
fn unreadable() -> Trouble {
    Trouble::Unavailable("an answer that can't be read".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::aws::Retries;
    use crate::aws::fake::{Fake, aws};
    use crate::entropy::SeededEntropy;
    use crate::table::{Names, Outcome, StoredVersion, Table};
    use crate::transport::TransportError;

    fn table(fake: &Arc<Fake>) -> Table {
        let retries = Retries { pause: Duration::ZERO, ..Retries::ORDINARY };
        let aws = Aws { entropy: Arc::new(SeededEntropy::new(1)), retries, ..aws(fake) };
        Table::new(aws, Names::from_environment(|name| Some(name.to_owned())).unwrap())
    }

    async fn an_item(fake: &Arc<Fake>) -> Result<Option<StoredVersion>, Trouble> {
        table(fake).version("program", 7).await
    }

    fn refused(kind: &str) -> (u16, Value) {
        (400, json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "why" }))
    }

    #[tokio::test]
    async fn a_question_is_the_sdks_and_so_is_the_reading_of_its_answer() {
        let item = json!({ "Item": { "content": { "S": "text" }, "version": { "N": "7" } } });
        let fake = Fake::answering([Ok((200, item))]);
        let found = an_item(&fake).await.unwrap().unwrap();
        assert_eq!(found.text, "text");
        let asked = fake.asked();
        assert_eq!(asked[0].url, "https://dynamodb.cn-north-1.amazonaws.com.cn/");
        assert_eq!(asked[0].headers["x-amz-target"], "DynamoDB_20120810.GetItem");
        assert_eq!(asked[0].headers["content-type"], "application/x-amz-json-1.0");
        let question = &fake.questions()[0];
        assert_eq!(question["Key"]["subject"]["S"], "program");
        assert_eq!(question["ConsistentRead"], true);
    }

    #[tokio::test]
    async fn a_transaction_bears_its_token_through_all_its_repetitions_and_the_next_one_another() {
        let fake = Fake::answering([
            Err(TransportError::Unknown("silence".to_owned())),
            Ok(refused("TransactionInProgressException")),
            Ok((500, json!({ "__type": "InternalServerError" }))),
            Ok((200, json!({}))),
        ]);
        let table = table(&fake);
        let version = StoredVersion::new("program".to_owned(), 2, "{}".to_owned());
        for _ in 0..2 {
            let done = table.transaction().version(&version).unwrap().commit().await.unwrap();
            assert!(matches!(done, Outcome::Done));
        }
        let tokens: Vec<Value> =
            fake.questions().iter().map(|question| question["ClientRequestToken"].clone()).collect();
        let [first @ .., next] = tokens.as_slice() else { panic!("nothing was asked") };
        assert_eq!(first.len(), 4);
        assert!(first.iter().all(|token| *token == first[0] && token.as_str().is_some_and(|t| t.len() == 32)));
        assert_ne!(*next, first[0]);
    }

    #[tokio::test]
    async fn what_is_our_mistake_is_a_defect_and_asked_once() {
        for kind in ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"] {
            let fake = Fake::answering([Ok(refused(kind))]);
            assert_eq!(an_item(&fake).await, Err(Trouble::Defect(format!("{kind}: why"))));
            assert_eq!(fake.asked().len(), 1, "{kind}");
        }
    }

    #[tokio::test]
    async fn what_may_pass_is_asked_four_times_and_is_then_unavailable() {
        let passing = [
            Ok(refused("ProvisionedThroughputExceededException")),
            Ok(refused("ThrottlingException")),
            Ok((503, json!("busy"))),
            Err(TransportError::NotSent("refused".to_owned())),
        ];
        for answer in passing {
            let fake = Fake::answering([answer.clone()]);
            assert!(matches!(an_item(&fake).await, Err(Trouble::Unavailable(_))), "{answer:?}");
            assert_eq!(fake.asked().len(), 4, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn somebody_elses_page_is_no_answer_and_is_not_quoted() {
        for status in [200, 403] {
            let fake = Fake::answering([Ok((status, json!("log in to the hotel's network")))]);
            let trouble = an_item(&fake).await.unwrap_err();
            assert!(matches!(trouble, Trouble::Unavailable(_)), "{trouble}");
            assert!(!trouble.to_string().contains("hotel"), "{trouble}");
        }
    }
}

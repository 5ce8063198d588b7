//! What the queue refuses, by AWS's names.

use std::fmt;

use crate::in_process::Answer;

/// A request that the queue does not carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error's name, as `QueueDoesNotExist`.
    pub kind: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn no_such_queue() -> Self {
        Self::new("QueueDoesNotExist", "The specified queue does not exist.")
    }

    pub(super) fn bad_receipt(receipt: &str) -> Self {
        Self::new("ReceiptHandleIsInvalid", format!("The input receipt handle \"{receipt}\" is not valid."))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}."))
    }

    /// The same refusal under the name that SQS gave it before its JSON protocol.
    fn query_error(&self) -> &'static str {
        match self.kind {
            "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue;Sender",
            "QueueNameExists" => "QueueAlreadyExists;Sender",
            "ReceiptHandleIsInvalid" => "ReceiptHandleIsInvalid;Sender",
            "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight;Sender",
            "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest;Sender",
            "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest;Sender",
            "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct;Sender",
            "BatchRequestTooLong" => "AWS.SimpleQueueService.BatchRequestTooLong;Sender",
            "InvalidBatchEntryId" => "AWS.SimpleQueueService.InvalidBatchEntryId;Sender",
            "UnsupportedOperation" => "AWS.SimpleQueueService.UnsupportedOperation;Sender",
            "MissingParameter" => "MissingParameter;Sender",
            "InvalidAttributeName" => "InvalidAttributeName;Sender",
            "InvalidMessageContents" => "InvalidMessageContents;Sender",
            "InternalFailure" => "InternalFailure;Receiver",
            _ => "InvalidParameterValue;Sender",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::new("InternalFailure", format!("The queue's file could not be used: {error}."))
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let status = if refusal.kind == "InternalFailure" { 500 } else { 400 };
        let answer = Self::error(status, &format!("com.amazonaws.sqs#{}", refusal.kind), &refusal.message);
        Self { query_error: Some(refusal.query_error()), ..answer }
    }
}

//! What can go wrong with a call to the table, told apart by what has to be done about it.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A failure of the world, or a defect of ours; never a client's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The table can't be reached or is throttling, after all retries. Nothing half-done remains; try again later.
    #[error("the table is not available: {0}")]
    Unavailable(String),
    /// The call or what is stored is wrong: a defect that no retry mends.
    #[error("defect at the table: {0}")]
    Defect(String),
}

impl Trouble {
    pub(super) fn defect(what: impl std::fmt::Display) -> Self {
        Self::Defect(what.to_string())
    }

    /// Sorts an SDK error: what the service says is our mistake, or what may pass by itself.
    pub(super) fn of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Self {
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
        let what = match error {
            SdkError::ServiceError(_) => format!("{code}: {}", error.message().unwrap_or_default()),
            SdkError::TimeoutError(_) => "timeout".to_owned(),
            SdkError::DispatchFailure(failure) => format!("not reached: {failure:?}"),
            _ => "no usable answer".to_owned(),
        };
        if ours { Self::Defect(what) } else { Self::Unavailable(what) }
    }
}

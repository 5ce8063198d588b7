//! A function as the queues and schedules see it: an event in, an answer or an error out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::template::{Function, TemplateError};

/// One function's handler. An `Err` is what Lambda calls a function error.
pub type Handler = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// Handlers by the function's name in the template.
pub type Handlers = HashMap<String, Handler>;

/// The function that a queue, a stream or a schedule calls.
#[derive(Clone)]
pub(crate) struct Target {
    /// Its name in the template.
    pub(crate) function: String,
    handler: Handler,
    timeout: Duration,
}

impl Target {
    /// A function of the template, with the handler that this build has for it.
    pub(crate) fn new(function: &Function, handlers: &Handlers) -> Result<Self, TemplateError> {
        let handler = handlers.get(&function.logical).cloned();
        Ok(Self {
            function: function.logical.clone(),
            handler: handler.ok_or_else(|| TemplateError::without_handler(&function.logical))?,
            timeout: function.timeout,
        })
    }

    /// Calls it as Lambda would: in its own task, so that a panic is an error, and no longer than its timeout.
    pub(crate) async fn call(&self, event: Value) -> Result<Value, String> {
        let mut task = tokio::spawn((self.handler)(event));
        match tokio::time::timeout(self.timeout, &mut task).await {
            Ok(Ok(result)) => result,
            // Nobody cancels it but a runtime that ends: that is no answer of the function, and nobody is left to hear
            // one.
            Ok(Err(failure)) if failure.is_cancelled() => std::future::pending().await,
            Ok(Err(failure)) => Err(format!("the handler panicked: {failure}")),
            Err(_) => {
                task.abort();
                Err(format!("the handler did not end within {} s", self.timeout.as_secs()))
            }
        }
    }
}

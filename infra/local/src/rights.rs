//! What each function may do: the policies of `template.yaml`, held to on this machine as AWS would.
//!
//! Without them a function that asks for more than its role allows would work on the desk and fail in the cloud. So
//! every call that a function makes from within its own request or event is looked up in its policies first; what the
//! host does for itself is not.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use futures_util::future::BoxFuture;
use huitou::seal::{MasterKey, MemberKey, SealError};
use huitou::values::MemberId;

use crate::handler::Handler;
use crate::template::{Function, Right};

/// The file into which every right is written that a function has used, if the environment names one: so that a run of
/// all tests can tell which rights nobody needs.
const NOTED_IN: &str = "HUITOU_RIGHTS_USED";

tokio::task_local! {
    static ACTING: Arc<Acting>;
}

/// A function at work.
#[derive(Debug)]
struct Acting {
    function: String,
    rights: BTreeSet<Right>,
    used: Mutex<BTreeSet<Right>>,
    noted_in: Option<PathBuf>,
}

/// The rights of one function. Clones share what was used of them.
#[derive(Debug, Clone)]
pub struct Rights(Arc<Acting>);

/// A call that no policy of the calling function allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    function: String,
    right: Right,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} may not do {} on {}: no policy in template.yaml allows it",
            self.function, self.right.action, self.right.resource
        )
    }
}

impl Rights {
    /// The rights that the template gives a function.
    #[must_use]
    pub fn of(function: &Function) -> Self {
        Self(Arc::new(Acting {
            function: function.logical.clone(),
            rights: function.rights.clone(),
            used: Mutex::default(),
            noted_in: std::env::var_os(NOTED_IN).map(PathBuf::from),
        }))
    }

    /// The same work, but with these rights only.
    pub fn hold<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        ACTING.scope(Arc::clone(&self.0), work)
    }

    /// A function's router, whose requests have these rights only.
    pub fn over_router(&self, router: Router) -> Router {
        let rights = self.clone();
        router.layer(from_fn(move |request: Request, next: Next| rights.hold(next.run(request))))
    }

    /// A function's handler, whose events have these rights only.
    #[must_use]
    pub fn over_handler(&self, handler: Handler) -> Handler {
        let rights = self.clone();
        Arc::new(move |event| Box::pin(rights.hold(handler(event))))
    }
}

/// Whether the function at work may do this; outside of any function everything goes.
pub fn check(needed: impl IntoIterator<Item = Right>) -> Result<(), Denied> {
    let Ok(acting) = ACTING.try_with(Arc::clone) else { return Ok(()) };
    needed.into_iter().try_for_each(|right| acting.check(right))
}

impl Acting {
    fn check(&self, right: Right) -> Result<(), Denied> {
        if !self.rights.contains(&right) {
            let denied = Denied { function: self.function.clone(), right };
            tracing::error!(%denied, "a call was refused");
            return Err(denied);
        }
        self.note(right);
        Ok(())
    }

    fn note(&self, right: Right) {
        let Some(path) = &self.noted_in else { return };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains(&right) {
            return;
        }
        let line = format!("{} {} {}\n", self.function, right.action, right.resource);
        // One write each, so that lines of several processes stay whole.
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        match written {
            Ok(()) => _ = used.insert(right),
            Err(error) => tracing::error!(%error, "a used right could not be noted"),
        }
    }
}

/// A master key that asks for the rights that its namesake on AWS needs.
#[derive(Debug)]
pub struct GuardedKey(pub Arc<dyn MasterKey>);

/// The key's name in the template.
const MASTER_KEY: &str = "MasterKey";

fn may_use(action: &str) -> Result<(), SealError> {
    check([Right::new(action, MASTER_KEY)]).map_err(|denied| SealError::Unavailable(denied.to_string()))
}

impl MasterKey for GuardedKey {
    fn wrap<'a>(&'a self, member: MemberId, key: &'a MemberKey) -> BoxFuture<'a, Result<Vec<u8>, SealError>> {
        Box::pin(async move {
            may_use("kms:Encrypt")?;
            self.0.wrap(member, key).await
        })
    }

    fn unwrap<'a>(&'a self, member: MemberId, wrapped: &'a [u8]) -> BoxFuture<'a, Result<MemberKey, SealError>> {
        Box::pin(async move {
            may_use("kms:Decrypt")?;
            self.0.unwrap(member, wrapped).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn the_function() -> Function {
        let text = r#"
Resources:
  Things: { Type: AWS::DynamoDB::Table, Properties: { AttributeDefinitions: [], KeySchema: [] } }
  Worker:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: worker } }
    Properties:
      Policies:
        - Statement:
            - { Effect: Allow, Action: [dynamodb:GetItem], Resource: [!GetAtt Things.Arn] }
            - { Effect: Allow, Action: [dynamodb:Query], Resource: [!Sub "${Things.Arn}/index/due"] }
"#;
        crate::template::Template::parse(text).unwrap().functions.remove(0)
    }

    #[tokio::test]
    async fn a_function_may_do_what_its_policies_allow_and_nothing_else() {
        let rights = Rights::of(&the_function());
        let may = |action: &'static str, on: &'static str| rights.hold(async move { check([Right::new(action, on)]) });
        assert_eq!(may("dynamodb:GetItem", "Things").await, Ok(()));
        assert_eq!(may("dynamodb:Query", "Things/index/due").await, Ok(()));
        for (action, on) in [
            ("dynamodb:PutItem", "Things"),
            ("dynamodb:GetItem", "Others"),
            ("dynamodb:Query", "Things"),
            ("dynamodb:Query", "Things/index/other"),
        ] {
            let refusal = may(action, on).await.unwrap_err().to_string();
            assert_eq!(refusal, format!("Worker may not do {action} on {on}: no policy in template.yaml allows it"));
        }
    }

    #[tokio::test]
    async fn what_the_host_does_for_itself_needs_no_right() {
        assert_eq!(check([Right::new("dynamodb:Scan", "Things")]), Ok(()));
    }
}

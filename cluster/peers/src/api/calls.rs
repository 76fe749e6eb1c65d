//! The small calls, as they are asked.

use crate::api::CALL;
use crate::api::messages::{CHUNK_MAX, ChunkName, Drain, Drained, MESSAGE_MAX, Offer, Offered, Problem, Renew, Status};
use crate::body::{self, Body};
use crate::client::{CallError, Peers};
use crate::limits::Deadline;
use crate::trust::Credentials;
use crate::trust::authority::NodeKey;
use crate::trust::renew::{IssueError, Issued, take_over};
use crate::wire::Target;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use warren_ownership::name::NodeId;

/// How often a renewal that failed is tried again.
const RENEW_AGAIN: Duration = Duration::from_secs(300);
/// How long one may take.
const RENEW_TIME: Duration = Duration::from_secs(10);

/// Asks peers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Calls {
    peers: Peers,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// The call did not come through.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It was refused.
    #[error("{} refuses ({code}): {detail}", crate::name::node_text(*.node))]
    Refused {
        /// Whom.
        node: NodeId,
        /// The status of HTTP.
        status: StatusCode,
        /// Why, as a word.
        code: String,
        /// Why, as a sentence.
        detail: String,
    },
    /// The answer is not what was asked for.
    #[error("{} answers what cannot be understood: {reason}", crate::name::node_text(*.node))]
    Form {
        /// Whom.
        node: NodeId,
        /// Why.
        reason: String,
    },
    /// What an authority answered is not taken.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl Calls {
    /// By these connections.
    pub fn new(peers: Peers) -> Calls {
        Calls { peers }
    }

    /// How a node is.
    ///
    /// # Errors
    /// See [`CallsError`]; the same for all calls.
    pub async fn status(&self, to: &Target, deadline: Deadline) -> Result<Status, CallsError> {
        self.ask(to, "status", &(), deadline).await
    }

    /// Tells a node to hand its sessions over, or to stop that.
    pub async fn drain(&self, to: &Target, drain: &Drain, deadline: Deadline) -> Result<Drained, CallsError> {
        self.ask(to, "drain", drain, deadline).await
    }

    /// Asks a node whether it would take a session.
    pub async fn offer(&self, to: &Target, offer: &Offer, deadline: Deadline) -> Result<Offered, CallsError> {
        self.ask(to, "offer", offer, deadline).await
    }

    /// The bytes of a chunk as they come, 64 MiB at most. The caller checks that they have the hash it asked for.
    pub async fn chunk(&self, to: &Target, name: &ChunkName, deadline: Deadline) -> Result<Body, CallsError> {
        let response = self.call(to, "chunk", name, deadline).await?;
        Ok(Limited::new(response.into_body(), CHUNK_MAX as usize)
            .map_err(|error| match error.downcast::<body::BodyError>() {
                Ok(error) => *error,
                Err(_) => body::BodyError::TooLarge(CHUNK_MAX),
            })
            .boxed_unsync())
    }

    /// Makes a new key for this node, has it signed by a node that signs, and uses it from then on. The authorities that node
    /// trusts are trusted here from then on.
    pub async fn renew(&self, to: &Target, credentials: &Credentials, deadline: Deadline) -> Result<(), CallsError> {
        let key = NodeKey::create().map_err(IssueError::from)?;
        let renew = Renew { request: STANDARD.encode(key.request()) };
        let issued: Issued = self.ask(to, "renew", &renew, deadline).await?;
        let credentials = credentials.clone();
        let taken = tokio::task::spawn_blocking(move || take_over(&credentials, &key, &issued)).await;
        let broken = |error: tokio::task::JoinError| CallsError::Form { node: to.node, reason: error.to_string() };
        Ok(taken.map_err(broken)??)
    }

    /// Renews this node's certificate whenever two thirds of its time are over, until `stop`. `signers` says who to ask, best
    /// first.
    pub async fn keep_renewed(
        &self,
        credentials: &Credentials,
        signers: impl Fn() -> Vec<Target> + Send + Sync,
        stop: &CancellationToken,
    ) {
        loop {
            // In steps, so that a clock that is set is seen.
            let due = credentials.renew_at().duration_since(SystemTime::now()).unwrap_or_default();
            let pause = if due.is_zero() { Duration::ZERO } else { due.min(Duration::from_secs(3600)) };
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
            if SystemTime::now() < credentials.renew_at() {
                continue;
            }
            let mut why = "no node is known that signs".to_owned();
            let mut renewed = false;
            for signer in signers() {
                match self.renew(&signer, credentials, Deadline::after(RENEW_TIME)).await {
                    Ok(()) => {
                        renewed = true;
                        break;
                    }
                    Err(error) => why = error.to_string(),
                }
            }
            if !renewed {
                let until = credentials.until().duration_since(SystemTime::now()).unwrap_or_default();
                tracing::warn!(why, hours_left = until.as_secs() / 3600, "this node's certificate is not renewed");
                if stop.run_until_cancelled(tokio::time::sleep(RENEW_AGAIN)).await.is_none() {
                    return;
                }
            }
        }
    }

    async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        to: &Target,
        name: &str,
        question: &Q,
        deadline: Deadline,
    ) -> Result<A, CallsError> {
        let body = self.call(to, name, question, deadline).await?.into_body();
        let late = |_| CallError::Deadline { node: to.node, sent: true };
        let bytes = tokio::time::timeout_at(deadline.at(), collected(body)).await.map_err(late)?;
        let form = |reason: String| CallsError::Form { node: to.node, reason };
        serde_json::from_slice(&bytes.map_err(form)?).map_err(|error| form(error.to_string()))
    }

    async fn call<Q: Serialize>(
        &self,
        to: &Target,
        name: &str,
        question: &Q,
        deadline: Deadline,
    ) -> Result<Response<Body>, CallsError> {
        let form = |reason: String| CallsError::Form { node: to.node, reason };
        let bytes = serde_json::to_vec(question).map_err(|error| form(error.to_string()))?;
        let mut request = Request::new(body::full(bytes));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        let uri = format!("https://n{}.warren.internal{CALL}{name}", to.node.0);
        *request.uri_mut() = uri.try_into().expect("a node and a name are an address");
        let response = self.peers.call(to, request, deadline).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = crate::api::headers::refused(response.headers()).map(str::to_owned);
        let late = |_| CallError::Deadline { node: to.node, sent: true };
        let bytes = tokio::time::timeout_at(deadline.at(), collected(response.into_body())).await.map_err(late)?;
        let bytes = bytes.map_err(form)?;
        let problem = serde_json::from_slice(&bytes).unwrap_or_else(|_| Problem {
            code: said.unwrap_or_else(|| status.as_u16().to_string()),
            detail: String::from_utf8_lossy(&bytes).trim().chars().take(500).collect(),
        });
        Err(CallsError::Refused { node: to.node, status, code: problem.code, detail: problem.detail })
    }
}

async fn collected(body: Body) -> Result<bytes::Bytes, String> {
    let collected = Limited::new(body, MESSAGE_MAX as usize).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| error.to_string())
}

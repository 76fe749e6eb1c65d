//! `PATCH /v1/sessions/{session}`: what a session is called and made of, as a merge patch (RFC 7396).

use crate::http::App;
use crate::http::problem::Problem;
use crate::http::quotas::given;
use crate::http::request::{Json, Target};
use crate::http::schema;
use crate::http::view::SessionView;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use warren_config::schema::EgressRules;
use warren_config::value::Timeout;
use warren_session::SessionError;
use warren_session::change::{Change, Entries};

/// What to change: what is absent stays, `null` takes away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SessionChange)]
pub(crate) struct Asked {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<schema::SessionName>)]
    name: Option<Option<String>>,
    /// For its owner to find it by.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<schema::LabelChanges>)]
    labels: Entries,
    /// Environment entries of commands that start from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<schema::EnvironmentChanges>)]
    environment: Entries,
    /// Environment entries with the value of a secret: name in the session, name in the server's `secrets`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<schema::EnvironmentChanges>)]
    secrets: Entries,
    /// Where commands begin from now on; `null` is the user's home.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = r"^/[^\x00]*$")]
    cwd: Option<Option<String>>,
    /// Hibernated after this long without a command or a client; `null` is never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Timeout>)]
    idle_timeout: Option<Option<Timeout>>,
    /// Deleted this long after it was made, which may be at once; `null` is never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Timeout>)]
    time_to_live: Option<Option<Timeout>>,
    /// What it reaches outside from now on; `null` is nothing. Connections that this does not allow are broken off.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<EgressRules>)]
    egress: Option<Option<Vec<String>>>,
}

/// `PATCH /v1/sessions/{session}`.
pub(crate) async fn change(
    State(app): State<App>,
    target: Target,
    Json(asked): Json<Asked>,
) -> Result<axum::Json<SessionView>, Problem> {
    let named = asked.secrets.iter().flatten().flatten().filter_map(|(_, secret)| secret.as_deref());
    super::check_secrets(&app, &target.tenant, named)?;
    if let Some(Some(rules)) = &asked.egress {
        let known = app.sessions.get(&target.tenant, target.id).await?;
        super::check_egress(&app, &target.tenant, &known.egress, rules.iter())?;
    }
    let name = asked.name.map(|name| name.map(|name| name.parse()).transpose());
    let time = |time: Option<Option<Timeout>>| time.map(|time| time.and_then(|time| time.0));
    let change = Change {
        name: name.transpose().map_err(SessionError::Name)?,
        labels: asked.labels,
        environment: asked.environment,
        secrets: asked.secrets,
        cwd: asked.cwd,
        idle_timeout: time(asked.idle_timeout),
        time_to_live: time(asked.time_to_live),
        egress: asked.egress,
    };
    Ok(axum::Json(app.sessions.update(&target.tenant, target.id, change).await?.into()))
}

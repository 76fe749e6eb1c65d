//! Which sessions of a list are meant.

use crate::durability::Summary;
use crate::event::State;
use warren_kernel::host::Timestamp;

/// What a session has to be to be listed: all that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Its state now.
    pub state: Option<State>,
    /// How its name begins; one without a name does not.
    pub name_prefix: Option<String>,
    /// Labels it has, with these values.
    pub labels: Vec<(String, String)>,
    /// The template it was made from.
    pub template: Option<String>,
    /// It was made after this.
    pub created_after: Option<Timestamp>,
    /// It was made before this.
    pub created_before: Option<Timestamp>,
}

impl Filter {
    /// Whether a session is meant.
    pub fn takes(&self, session: &Summary) -> bool {
        let named = |prefix: &String| session.name.as_ref().is_some_and(|name| name.as_str().starts_with(&**prefix));
        self.state.is_none_or(|state| session.state == state)
            && self.name_prefix.as_ref().is_none_or(named)
            && self.labels.iter().all(|(name, value)| session.labels.get(name) == Some(value))
            && self.template.as_ref().is_none_or(|template| session.template.as_ref() == Some(template))
            && self.created_after.is_none_or(|time| session.created > time)
            && self.created_before.is_none_or(|time| session.created < time)
    }
}

use std::sync::Arc;

use gatepass_core::{KeyGrant, Scope};
use gatepass_engine::ProjectAccess;

use crate::problem::Problem;
use crate::service::{App, Incoming, bearer};

/// Who calls: a key that has the scope of its route, and the key's project. Only
/// [`Caller::admit`] makes it.
pub(crate) struct Caller {
    access: Arc<ProjectAccess>,
    key: KeyGrant,
}

impl Caller {
    /// Lets a request in by its API key, and names the project to its answer.
    pub(super) fn admit(
        app: &App,
        mut incoming: Incoming,
        scope: Option<Scope>,
    ) -> Result<(Self, Incoming), Problem> {
        let directory = app.engine.directory();
        let (access, key) = directory.by_key(bearer(&incoming.head.headers)?)?;
        app.engine.note_key_used(key.key());
        if let Some(scope) = scope {
            key.require(scope)?;
        }
        incoming.context.access = Some(Arc::clone(access));
        Ok((Self { access: Arc::clone(access), key }, incoming))
    }

    /// The project.
    pub(crate) fn access(&self) -> &ProjectAccess {
        &self.access
    }

    /// What the key may do.
    pub(crate) fn key(&self) -> &KeyGrant {
        &self.key
    }
}

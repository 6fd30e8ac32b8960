//! The state of the routes.

use std::sync::Arc;

use domain::commands::Services;
use domain::ports::{Blobs, Forge, LiveText};
use domain::{MicroDollars, Network, Setup};
use tokio::sync::Semaphore;

use crate::limits::Limits;
use crate::stream::Streams;

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) services: Services,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) forge: Arc<dyn Forge>,
    pub(crate) session_defaults: Arc<SessionDefaults>,
    pub(crate) limits: Limits,
    pub(crate) streams: Streams,
    /// Permits for computing diffs, each of which may hold many files in memory.
    pub(crate) diff_permits: Arc<Semaphore>,
}

/// Maximum diffs that are computed at the same time.
const MAX_CONCURRENT_DIFFS: usize = 4;

/// What new sessions get when their request does not say.
pub(crate) struct SessionDefaults {
    /// The fixed part of a session's calls to the model, or why no session can be started.
    pub setup: Result<Setup, String>,
    pub model: String,
    /// Maximum cost of a run; the domain's default when none is set.
    pub max_cost: Option<MicroDollars>,
    pub network: Network,
}

impl Api {
    /// The service over these ports. `setup` is the fixed part of a new session's calls to the model, or why no session can
    /// be started; `model` is the model when a request names none.
    pub fn new(
        services: Services,
        blobs: Arc<dyn Blobs>,
        forge: Arc<dyn Forge>,
        live: Arc<dyn LiveText>,
        setup: Result<Setup, String>,
        model: String,
    ) -> Self {
        let limits = Limits::default();
        let streams = Streams::new(&services, live, limits);
        Self {
            services,
            blobs,
            forge,
            session_defaults: Arc::new(SessionDefaults { setup, model, max_cost: None, network: Network::default() }),
            limits,
            streams,
            diff_permits: Arc::new(Semaphore::new(MAX_CONCURRENT_DIFFS)),
        }
    }

    /// Replaces the limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, streams: self.streams.with_limits(limits), ..self }
    }

    /// Sets the maximum cost of a run and the network of a session whose request does not set them.
    #[must_use]
    pub fn with_defaults(self, max_cost: Option<MicroDollars>, network: Network) -> Self {
        let SessionDefaults { setup, model, .. } = self.session_defaults.as_ref();
        let session_defaults = SessionDefaults { setup: setup.clone(), model: model.clone(), max_cost, network };
        Self { session_defaults: Arc::new(session_defaults), ..self }
    }

    /// Ends the open streams: the last frame of each says where to resume.
    pub fn shut_down(&self) {
        self.streams.shut_down();
    }
}

//! What the routes work with, and all of them together.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use domain::commands::Services;
use domain::ports::{Blobs, Forge, LiveText};
use domain::{MicroDollars, Setup};
use tokio::sync::Semaphore;

use crate::access::{self, AccessPolicy};
use crate::routes;
use crate::stream::{Feeds, Shutdown, StreamSlots};

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) services: Services,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) forge: Arc<dyn Forge>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) limits: Limits,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) slots: Arc<StreamSlots>,
    /// Changes that are compared at a time: each may hold many files in memory.
    pub(crate) comparing: Arc<Semaphore>,
    pub(crate) shutdown: Shutdown,
}

/// So many changes are compared at a time.
const MAX_CONCURRENT_DIFFS: usize = 4;

/// What new sessions are made with.
pub(crate) struct Admission {
    /// What their calls to the model have in common, or why none can be started.
    pub setup: Result<Setup, String>,
    /// The model, when a request names none.
    pub model: String,
    /// The most a run may cost, when a request does not say.
    pub max_cost: Option<MicroDollars>,
}

/// Bounds of the service.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest body, in bytes.
    pub body_bytes: usize,
    /// The most open streams of a principal.
    pub streams: usize,
    /// The longest time that a stream stays open; then it says where to go on.
    pub stream_age: Duration,
    /// After how much silence a stream shows that it is there.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Room for the longest prompt in the longest way of writing it as JSON.
            body_bytes: 4 * 1024 * 1024,
            streams: 2000,
            stream_age: Duration::from_secs(24 * 3600),
            heartbeat: Duration::from_secs(15),
        }
    }
}

impl Api {
    /// The service over these ports. `setup` is what new sessions have in common, or why none can be started.
    pub fn new(
        services: Services,
        blobs: Arc<dyn Blobs>,
        forge: Arc<dyn Forge>,
        live: Arc<dyn LiveText>,
        setup: Result<Setup, String>,
        model: String,
    ) -> Self {
        let feeds = Feeds::new(Arc::clone(&services.event_log), live, services.redactor.clone());
        Self {
            services,
            blobs,
            forge,
            admission: Arc::new(Admission { setup, model, max_cost: None }),
            limits: Limits::default(),
            feeds: Arc::new(feeds),
            slots: Arc::default(),
            comparing: Arc::new(Semaphore::new(MAX_CONCURRENT_DIFFS)),
            shutdown: Shutdown::default(),
        }
    }

    /// The same with other bounds.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same with a bound on what a run may cost when its request does not say.
    #[must_use]
    pub fn with_default_cost(self, max_cost: Option<MicroDollars>) -> Self {
        let Admission { setup, model, .. } = self.admission.as_ref();
        let admission = Admission { setup: setup.clone(), model: model.clone(), max_cost };
        Self { admission: Arc::new(admission), ..self }
    }

    /// Ends its open streams: each says where to go on.
    pub fn shut_down(&self) {
        self.shutdown.begin();
    }
}

/// The service behind a door. `more` are routes of the world it runs in, behind the same door.
pub fn router(api: &Api, policy: AccessPolicy, more: Router) -> Router {
    let routes = routes::all().with_state(api.clone()).merge(more);
    access::close(routes, api, policy)
}

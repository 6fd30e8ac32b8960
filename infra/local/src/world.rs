//! The composition root of the one-machine world: one constructor per port.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::{
    AwaitUser, Common, ExecuteTool, Finish, GenerateTurn, ModelCaller, OpenPr, Overlap, Plan, Prepare, StepHandler,
    ToolLimits, Verify,
};
use anyhow::Context as _;
use asl::Interpreter;
use domain::commands::{CommandError, Progress, Services, reconcile};
use domain::ports::{Blobs, Clock, CommitAuthor, Forge, LiveText, SecretName, Sessions, Traces};
use domain::{Model, Redactor, Session, SessionId, SessionLog, SessionLogError, SessionLogs, Setup};
use sandbox::Mode;
use secrecy::SecretString;
use telemetry::{Collector, Service, Tracing, Tree};

use crate::blobs::DirectoryBlobs;
use crate::clock::{RandomIds, WallClock};
use crate::engine::{Engine, StepTasks};
use crate::forge::LocalForge;
use crate::home;
use crate::live::LiveDirectory;
use crate::lock::SessionLocks;
use crate::network::Networks;
use crate::owner::owner;
use crate::sandboxes::LocalSandboxes;
use crate::settings::{Containment, Settings};
use crate::store::Store;
use crate::toolchains::Toolchains;

/// The implementation of every port, over one directory.
pub struct World {
    pub settings: Settings,
    /// Event logs, session records, accounts, and positions of executions.
    pub store: Store,
    pub blobs: Arc<DirectoryBlobs>,
    pub forge: Arc<LocalForge>,
    pub sandboxes: Arc<LocalSandboxes>,
    /// Replies of the model while they are streamed.
    pub live: Arc<LiveDirectory>,
    pub traces: Arc<Tracing>,
    /// The spans of this process, with [`KeepTree::Yes`].
    pub tree: Option<Arc<Tree>>,
    pub engine: Arc<Engine>,
    pub locks: SessionLocks,
    redactor: Redactor,
}

impl World {
    /// Opens the world that the settings describe.
    ///
    /// # Errors
    ///
    /// When the program's directory cannot be used, or the collector for traces is misconfigured.
    pub fn new(settings: Settings, keep_tree: KeepTree) -> anyhow::Result<Self> {
        Self::with_program(settings, keep_tree, own_program()?)
    }

    /// Like [`World::new`], but with another file than the running program as supervisor and toolbox.
    pub fn with_program(settings: Settings, keep_tree: KeepTree, program: PathBuf) -> anyhow::Result<Self> {
        let home = &settings.home;
        home::prepare(home, settings.containment)?;
        let mode = match settings.containment {
            Containment::Isolated => Mode::Isolated,
            Containment::Reduced => Mode::Reduced,
        };
        let blobs = Arc::new(DirectoryBlobs::new(home.join("blobs")));
        let store = Store::open(home, Arc::clone(&blobs) as _)?;
        let locks = SessionLocks::new(&home.join("locks"))?;
        let tree = (keep_tree == KeepTree::Yes).then(Arc::<Tree>::default);
        let service = Service { version: env!("CARGO_PKG_VERSION").to_owned(), environment: "local".to_owned() };
        let mut tracing = Tracing::builder(service);
        if let Some((endpoint, headers)) = &settings.collector {
            let mut collector = Collector::new(endpoint).context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            if let Some(headers) = headers {
                collector = collector.headers(headers).context("OTEL_EXPORTER_OTLP_HEADERS")?;
            }
            tracing = tracing.collector(collector);
        }
        if let Some(tree) = &tree {
            tracing = tracing.sink(Arc::clone(tree) as Arc<dyn Traces>);
        }
        Ok(Self {
            engine: Arc::new(Engine::new(store.clone(), locks.clone())),
            blobs,
            forge: Arc::new(LocalForge::new(home.join("forge"))),
            sandboxes: Arc::new(LocalSandboxes::new(
                home.join("sandboxes"),
                program,
                mode,
                Toolchains::new(&settings, owner()?),
                Networks::new(&settings),
                settings.limits.clone(),
            )),
            live: Arc::new(LiveDirectory::new(home.join("live"))),
            traces: Arc::new(tracing.build()),
            tree,
            locks,
            redactor: Redactor::new(settings.secrets.all()),
            store,
            settings,
        })
    }

    /// The ports that commands work with.
    pub fn services(&self) -> Services {
        Services {
            event_log: Arc::new(self.store.clone()),
            sessions: Arc::new(self.store.clone()),
            accounts: Arc::new(self.store.clone()),
            reservations: Arc::new(self.store.clone()),
            workflows: Arc::clone(&self.engine) as _,
            blobs: Arc::clone(&self.blobs) as _,
            live: Arc::clone(&self.live) as _,
            clock: Arc::new(WallClock),
            ids: Arc::new(RandomIds),
            traces: Arc::clone(&self.traces) as Arc<dyn Traces>,
            redactor: self.redactor.clone(),
        }
    }

    /// Ends or restarts what a session's processes left unfinished. The caller holds the session's lock.
    pub(crate) async fn reconcile(&self, session: &SessionId) -> Result<Progress, CommandError> {
        reconcile(&self.services(), self.sandboxes.as_ref(), session).await
    }

    /// A session's log, read to its end.
    pub(crate) async fn log(&self, session: &SessionId) -> Result<SessionLog, SessionLogError> {
        self.logs().uncached().open(session).await
    }

    /// Opens the logs of sessions, and caches them.
    pub fn logs(&self) -> SessionLogs {
        let store = Arc::new(self.store.clone());
        SessionLogs::new(Arc::clone(&store) as _, store, Arc::clone(&self.blobs) as _, Arc::new(WallClock))
    }

    /// Replaces secrets in a text.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// The fixed part of a new session's calls to the model: system prompt, tools, limits.
    pub fn setup(&self) -> anyhow::Result<Setup> {
        let setup = agent::setup(&self.tool_limits(), self.settings.max_tokens)?;
        Ok(Setup { context_tokens: self.settings.context_tokens, checks: self.settings.checks.clone(), ..setup })
    }

    fn tool_limits(&self) -> ToolLimits {
        let mut limits = ToolLimits::default();
        if let Some(seconds) = self.settings.command_seconds {
            limits.command = Duration::from_secs(seconds.clamp(1, 600));
        }
        limits
    }

    /// An interpreter of the workflow whose steps call the model at `url`.
    pub fn interpreter(&self, url: &str, key: SecretString) -> anyhow::Result<Arc<Interpreter>> {
        let tasks = self.step_tasks(self.logs(), url, key)?;
        Ok(Arc::new(self.engine.interpreter(Arc::new(tasks), Arc::new(WallClock))?))
    }

    /// The steps, over these logs, which call the model at `url`.
    pub fn step_tasks(&self, logs: SessionLogs, url: &str, key: SecretString) -> anyhow::Result<StepTasks> {
        let mut configuration = claude::Configuration::new(key)?;
        configuration.base_url = url.to_owned();
        configuration.clock = Some(Arc::new(WallClock));
        self.settings.model_access.apply(&mut configuration);
        let model: Arc<dyn Model> = Arc::new(claude::Client::new(configuration)?);
        let common = Common {
            logs,
            sessions: Arc::new(self.store.clone()) as Arc<dyn Sessions>,
            clock: Arc::new(WallClock) as Arc<dyn Clock>,
            ids: Arc::new(RandomIds),
            traces: Arc::clone(&self.traces) as Arc<dyn Traces>,
            redactor: self.redactor.clone(),
            // The driver of a session holds its lock.
            overlap: Overlap::Excluded,
            answer_timeout: Duration::from_secs(self.settings.answer_seconds),
        };
        Ok(StepTasks { common, handlers: Arc::new(self.handlers(model)) })
    }

    fn handlers(&self, model: Arc<dyn Model>) -> Vec<Box<dyn StepHandler>> {
        let blobs: Arc<dyn Blobs> = Arc::clone(&self.blobs) as _;
        let forge: Arc<dyn Forge> = Arc::clone(&self.forge) as _;
        let sandboxes = Arc::clone(&self.sandboxes);
        let workflows = Arc::clone(&self.engine);
        let live: Arc<dyn LiveText> = Arc::clone(&self.live) as _;
        let caller = ModelCaller { model, live: Arc::clone(&live), blobs: Arc::clone(&blobs) };
        let (name, email) = self.settings.author.clone();
        vec![
            Box::new(Prepare { forge: Arc::clone(&forge), sandboxes: sandboxes.clone(), blobs: Arc::clone(&blobs) }),
            Box::new(Plan { caller: caller.clone(), sandboxes: sandboxes.clone(), forge: Arc::clone(&forge) }),
            Box::new(GenerateTurn { caller }),
            Box::new(ExecuteTool {
                sandboxes: sandboxes.clone(),
                blobs: Arc::clone(&blobs),
                limits: self.tool_limits(),
            }),
            Box::new(Verify { sandboxes: sandboxes.clone(), blobs: Arc::clone(&blobs), limits: self.tool_limits() }),
            Box::new(AwaitUser { workflows, sandboxes: sandboxes.clone() }),
            Box::new(OpenPr { forge, blobs, author: CommitAuthor { name, email } }),
            Box::new(Finish { sandboxes, live, services: self.services() }),
        ]
    }

    /// The key of the model's service, if one is set.
    pub fn model_key(&self) -> Option<SecretString> {
        self.settings.secrets.of(SecretName::ModelKey)
    }

    /// Sends the remaining spans. Takes at most two seconds.
    pub async fn flush_traces(&self) {
        let traces = Arc::clone(&self.traces);
        if let Err(error) = tokio::task::spawn_blocking(move || traces.flush()).await {
            tracing::warn!(%error, "spans were not sent");
        }
    }

    /// The trace of a session as a tree, with [`KeepTree::Yes`].
    pub fn trace_of(&self, session: &Session) -> Option<String> {
        self.tree.as_ref().map(|tree| tree.render(&session.trace.trace_id))
    }
}

/// Whether spans are kept in memory, for `--trace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepTree {
    Yes,
    No,
}

/// The file of this program, which is also supervisor and toolbox.
fn own_program() -> anyhow::Result<PathBuf> {
    // When the file was replaced or deleted, the link's target ends in " (deleted)" and does not exist (proc_pid_exe(5)).
    let program = fs::read_link("/proc/self/exe").context("cannot find the program's own file")?;
    anyhow::ensure!(program.exists(), "the program's file was replaced while it runs; start the program again");
    Ok(program)
}

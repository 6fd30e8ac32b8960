//! The composition root of the one-machine world: one constructor per port.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent::{
    AwaitUser, Common, ExecuteTool, Finish, GenerateTurn, ModelCaller, OpenPr, Plan, Prepare, StepHandler, ToolLimits,
};
use anyhow::Context as _;
use asl::{Interpreter, Time};
use domain::commands::Services;
use domain::ports::{Blobs, Clock, CommitAuthor, EventLog, Forge, LiveText, Network, SecretName, Sessions, Traces};
use domain::{Model, Redactor, Session, SessionLogCache, Setup};
use sandbox::Mode;
use secrecy::SecretString;
use telemetry::{Collector, Service, Tracing, Tree};

use crate::blobs::DirectoryBlobs;
use crate::clock::{RandomIds, WallClock};
use crate::engine::{Engine, Steps};
use crate::forge::LocalForge;
use crate::live::LiveChannel;
use crate::lock::Locks;
use crate::sandboxes::LocalSandboxes;
use crate::settings::{Containment, Settings};
use crate::store::Store;

/// Everything the program works with.
pub struct World {
    /// The settings it was made from.
    pub settings: Settings,
    /// Logs, records, executions.
    pub store: Store,
    /// Large contents.
    pub blobs: Arc<DirectoryBlobs>,
    /// Repositories and pull requests.
    pub forge: Arc<LocalForge>,
    /// Sandboxes.
    pub sandboxes: Arc<LocalSandboxes>,
    /// Replies while they are written.
    pub live: Arc<LiveChannel>,
    /// Spans.
    pub traces: Arc<Tracing>,
    /// Spans for `--trace`, when they are kept.
    pub tree: Option<Arc<Tree>>,
    /// Executions.
    pub engine: Arc<Engine>,
    /// Who drives which session.
    pub locks: Locks,
    redactor: Redactor,
}

impl World {
    /// Makes the world that the settings describe. `tree` asks for spans to be kept for `--trace`.
    pub fn new(settings: Settings, keep_tree: KeepTree) -> anyhow::Result<Self> {
        Self::with_program(settings, keep_tree, own_program()?)
    }

    /// The same where the program that is also supervisor and toolbox is another file than the one that runs.
    pub fn with_program(settings: Settings, keep_tree: KeepTree, program: PathBuf) -> anyhow::Result<Self> {
        let home = &settings.home;
        ensure_own(home)?;
        let access = access_to_home(settings.containment);
        directory_with(home, access).with_context(|| format!("cannot use {}", home.display()))?;
        for (inner, access) in [("blobs", 0o700), ("locks", 0o700), ("forge", 0o755), ("sandboxes", access)] {
            directory_with(&home.join(inner), access)?;
        }
        let mode = match settings.containment {
            Containment::Isolated => Mode::Isolated,
            Containment::Reduced => Mode::Reduced,
        };
        let store = Store::open(home)?;
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
            engine: Arc::new(Engine::new(store.clone())),
            blobs: Arc::new(DirectoryBlobs::new(home.join("blobs"))),
            forge: Arc::new(LocalForge::new(home.join("forge"))),
            sandboxes: Arc::new(LocalSandboxes::new(
                home.join("sandboxes"),
                program,
                mode,
                settings.sandbox_path.clone(),
            )),
            live: Arc::default(),
            traces: Arc::new(tracing.build()),
            tree,
            locks: Locks::new(&home.join("locks"))?,
            redactor: Redactor::new(settings.secrets.all()),
            store,
            settings,
        })
    }

    /// The ports of commands.
    pub fn services(&self) -> Services {
        Services {
            event_log: Arc::new(self.store.clone()),
            sessions: Arc::new(self.store.clone()),
            accounts: Arc::new(self.store.clone()),
            workflows: Arc::clone(&self.engine) as _,
            clock: Arc::new(WallClock),
            ids: Arc::new(RandomIds),
            redactor: self.redactor.clone(),
        }
    }

    /// A text without secrets.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// What new sessions will have in common in their calls to the model.
    pub fn setup(&self) -> anyhow::Result<Setup> {
        let setup = agent::setup(&self.tool_limits(), self.settings.max_tokens)?;
        Ok(Setup { context_tokens: self.settings.context_tokens, ..setup })
    }

    fn tool_limits(&self) -> ToolLimits {
        let mut limits = ToolLimits::default();
        if let Some(seconds) = self.settings.command_seconds {
            limits.command = Duration::from_secs(seconds.clamp(1, 600));
        }
        limits
    }

    /// An interpreter of the workflow whose steps talk to the model at `url`.
    pub fn interpreter(&self, url: &str, key: SecretString) -> anyhow::Result<Arc<Interpreter>> {
        self.interpreter_over(Arc::new(self.store.clone()), Arc::new(WallClock), url, key)
    }

    /// The same over another event log and another time than the world's own.
    pub fn interpreter_over(
        &self,
        event_log: Arc<dyn EventLog>,
        time: Arc<dyn Time>,
        url: &str,
        key: SecretString,
    ) -> anyhow::Result<Arc<Interpreter>> {
        let mut configuration = claude::Configuration::new(key)?;
        configuration.base_url = url.to_owned();
        configuration.clock = Some(Arc::new(WallClock));
        self.settings.model_access.apply(&mut configuration);
        let model: Arc<dyn Model> = Arc::new(claude::Client::new(configuration)?);
        let common = Common {
            event_log,
            log_cache: SessionLogCache::default(),
            sessions: Arc::new(self.store.clone()) as Arc<dyn Sessions>,
            clock: Arc::new(WallClock) as Arc<dyn Clock>,
            ids: Arc::new(RandomIds),
            traces: Arc::clone(&self.traces) as Arc<dyn Traces>,
            redactor: self.redactor.clone(),
            answer_timeout: Duration::from_secs(self.settings.answer_seconds),
        };
        Ok(Arc::new(self.engine.interpreter(common, self.steps(model), time)?))
    }

    fn steps(&self, model: Arc<dyn Model>) -> Steps {
        let blobs: Arc<dyn Blobs> = Arc::clone(&self.blobs) as _;
        let forge: Arc<dyn Forge> = Arc::clone(&self.forge) as _;
        let sandboxes = Arc::clone(&self.sandboxes);
        let workflows = Arc::clone(&self.engine);
        let live: Arc<dyn LiveText> = Arc::clone(&self.live) as _;
        let caller = ModelCaller { model, live, blobs: Arc::clone(&blobs) };
        let (name, email) = self.settings.author.clone();
        let steps: Vec<Box<dyn StepHandler>> = vec![
            Box::new(Prepare {
                forge: Arc::clone(&forge),
                sandboxes: sandboxes.clone(),
                blobs: Arc::clone(&blobs),
                network: Network::None,
            }),
            Box::new(Plan { caller: caller.clone(), sandboxes: sandboxes.clone() }),
            Box::new(GenerateTurn { caller }),
            Box::new(ExecuteTool {
                sandboxes: sandboxes.clone(),
                blobs: Arc::clone(&blobs),
                limits: self.tool_limits(),
            }),
            Box::new(AwaitUser { workflows, sandboxes: sandboxes.clone() }),
            Box::new(OpenPr { forge, blobs, author: CommitAuthor { name, email } }),
            Box::new(Finish { sandboxes, services: self.services() }),
        ];
        Steps(steps)
    }

    /// The key of the model's service, if there is one.
    pub fn model_key(&self) -> Option<SecretString> {
        self.settings.secrets.of(SecretName::ModelKey)
    }

    /// Sends what is left of spans; takes two seconds at most.
    pub async fn flush_traces(&self) {
        let traces = Arc::clone(&self.traces);
        if let Err(error) = tokio::task::spawn_blocking(move || traces.flush()).await {
            tracing::warn!(%error, "spans were not sent");
        }
    }

    /// The rendered trace of a session, when spans are kept.
    pub fn trace_of(&self, session: &Session) -> Option<String> {
        self.tree.as_ref().map(|tree| tree.render(&session.trace.trace_id))
    }
}

/// Whether spans are kept for `--trace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepTree {
    /// They are.
    Yes,
    /// They are not.
    No,
}

/// This program's file, which is also supervisor and toolbox.
fn own_program() -> anyhow::Result<PathBuf> {
    // The link names the file that runs, also when it was replaced on the disk meanwhile; then the name says so.
    let program = fs::read_link("/proc/self/exe").context("cannot find the program's own file")?;
    anyhow::ensure!(program.exists(), "the program's file was replaced while it runs; start it again");
    Ok(program)
}

/// Refuses a directory that holds something else: its permissions are about to be changed.
fn ensure_own(home: &Path) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(home) else { return Ok(()) };
    let names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    let ours = names.iter().any(|name| name == "backspace.db");
    // Another process may be at its first start in it.
    const OWN: [&str; 10] =
        [".env", "demo", "blobs", "locks", "forge", "sandboxes", "backspace.db", "key", "server.sock", "server.lock"];
    let is_own = |name: &str| OWN.contains(&name) || name.starts_with("key.new-");
    let foreign = names.iter().find(|name| !is_own(&name.to_string_lossy()));
    match foreign.filter(|_| !ours) {
        None => Ok(()),
        Some(name) => anyhow::bail!(
            "{} is not a directory of this program: it holds {}; name an empty or a new one in BACKSPACE_HOME",
            home.display(),
            name.to_string_lossy()
        ),
    }
}

/// Who may do what with the directory that holds everything: its owner only. Where the superuser runs commands without
/// namespaces they have another user, who has to pass through it to the sandbox; what it may not read has a mode of its own.
fn access_to_home(containment: Containment) -> u32 {
    match containment {
        Containment::Reduced if is_superuser() => 0o711,
        Containment::Reduced | Containment::Isolated => 0o700,
    }
}

/// Whether this process is the superuser's, as the owner of its own files tells.
fn is_superuser() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Makes a directory with exactly these permissions.
fn directory_with(directory: &Path, mode: u32) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(mode))
}

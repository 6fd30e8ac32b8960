//! The network of local sandboxes: which hosts are reached, and through what.

mod environment;
mod package_tools;
mod recording;
mod registries;

use std::path::PathBuf;

use anyhow::Context as _;
use domain::Network;
use domain::ports::Clock as _;
use egress::{Policy, Target};
use jiff::SignedDuration;
use tokio::sync::Mutex;

pub use registries::{RecordedTool, Registries};

use crate::WallClock;
use crate::settings::{HostEnvironment, Settings};

/// Age from which on the hosts are recorded again: registries move.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What the networks of sandboxes are made from.
#[derive(Debug)]
pub struct Networks {
    /// The program's own directory.
    home: PathBuf,
    host: HostEnvironment,
    /// Hosts that the settings add to the recorded ones.
    listed: Vec<Target>,
    /// One recording at a time: whoever waits for it finds its result.
    recording: Mutex<()>,
}

impl Networks {
    pub fn new(settings: &Settings) -> Self {
        let Settings { home, host, registries, .. } = settings;
        Self { home: home.clone(), host: host.clone(), listed: registries.clone(), recording: Mutex::default() }
    }

    /// The hosts that the package managers of this machine ask for, recorded now if they were not in the last 30 days.
    ///
    /// # Errors
    ///
    /// When the record cannot be written.
    pub async fn registries(&self) -> anyhow::Result<Registries> {
        let _held = self.recording.lock().await;
        match Registries::read(&self.home) {
            Some(recorded) if WallClock.now().duration_since(recorded.recorded_at) < MAX_AGE => Ok(recorded),
            Some(_) | None => self.record_now().await,
        }
    }

    /// Records the hosts now, whatever was recorded before.
    ///
    /// # Errors
    ///
    /// When the record cannot be written.
    pub async fn record(&self) -> anyhow::Result<Registries> {
        let _held = self.recording.lock().await;
        self.record_now().await
    }

    async fn record_now(&self) -> anyhow::Result<Registries> {
        // Another process may be recording, too.
        let directory = self.home.join("recording").join(format!("{:016x}", crate::clock::random()));
        let tools =
            recording::record(&directory, &self.host).await.context("cannot record the package managers' hosts")?;
        let registries = Registries { recorded_at: WallClock.now(), tools };
        registries.write(&self.home).context("cannot store the package managers' hosts")?;
        Ok(registries)
    }

    /// The hosts that the settings add.
    pub fn listed(&self) -> &[Target] {
        &self.listed
    }

    /// What a sandbox with this network may reach, and what its commands find in their environment; none without a network.
    pub(crate) async fn access(&self, network: Network) -> anyhow::Result<Option<Access>> {
        let (policy, settings) = match network {
            Network::None => return Ok(None),
            Network::Open => (Policy::Open, Registries::read(&self.home).map(|recorded| recorded.settings())),
            Network::Registries => {
                let recorded = self.registries().await?;
                let hosts = recorded.hosts().chain(self.listed.iter().cloned()).collect();
                (Policy::Listed(hosts), Some(recorded.settings()))
            }
        };
        let bundle = environment::certificates(&self.host);
        let mut variables = environment::variables(bundle.as_ref().map(|bundle| bundle.inside.as_path()));
        variables.extend(settings.unwrap_or_default());
        Ok(Some(Access { policy, variables, mount: bundle.and_then(|bundle| bundle.mount) }))
    }
}

/// How a sandbox reaches the network.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) policy: Policy,
    /// The environment of commands.
    pub(crate) variables: Vec<(String, String)>,
    /// The certificates, where no sandbox has them anyway.
    pub(crate) mount: Option<sandbox::Mount>,
}

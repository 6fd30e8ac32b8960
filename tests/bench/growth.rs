//! Own processor time per turn of a long session, and what each turn appends and reads.
//!
//! A session of 400 turns runs in this process, against the stand-in in another one. Each turn has three commands with outputs
//! of 1.2 KB, as in `model_session.py`, and the conversation is compacted at the usual length. Processor time is that of this
//! process without its children, which are the sandbox and the commands in it. It is measured in two ways: warm, when one process
//! runs every step, and cold, when every step knows nothing of the log, as in a function of its own. Each session is run three
//! times, and a turn counts with its fastest run: on a machine that others share, the same turn differs more from run to run
//! than early and late turns do.
//!
//! Takes the number of turns, and needs the release program. Prints a table for each.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark: it ends with its first error and prints")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::commands::{Start, start};
use domain::ports::{AppendError, BlobError, Blobs, EventLog, Page, ReadError};
use domain::{
    BlobRef, Conversation, Digest256, Event, EventBody, Seq, SessionId, SessionLogs, Unavailable, UncheckedLimits,
    UncheckedRequest,
};
use local::{DirectoryBlobs, KeepTree, Settings, Store, WaitPolicy, WallClock, World, drive_session, variables};
use serde_json::{Value, json};

/// The turns that are shown, each by the median of the turns around it.
const SHOWN: [usize; 4] = [10, 100, 200, 400];
/// Turns before and after a shown one.
const WINDOW: usize = 5;

/// Sessions of each kind.
const ROUNDS: usize = 3;

/// What has been used when a turn starts.
#[derive(Clone, Copy, Default)]
struct Used {
    processor: Duration,
    appends: usize,
    reads: usize,
    blobs: usize,
    blob_bytes: usize,
}

#[derive(Default)]
struct Meter {
    used: Mutex<Used>,
    /// The events before the first one of each read, and the last one.
    reads: Mutex<Vec<(Seq, Seq)>>,
    turns: Mutex<Vec<Used>>,
}

impl Meter {
    fn turn_starts(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let processor = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap());
        let used = *self.used.lock().unwrap();
        self.turns.lock().unwrap().push(Used { processor, ..used });
    }
}

struct MeteredLog(Store, Arc<Meter>);

#[async_trait]
impl EventLog for MeteredLog {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        let starts_turn = batch.iter().any(|event| {
            matches!(&event.body, EventBody::TurnStarted(started) if started.call.conversation == Conversation::Main)
        });
        if starts_turn {
            self.1.turn_starts();
        }
        self.1.used.lock().unwrap().appends += 1;
        self.0.append(session, after, batch).await
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError> {
        let page = self.0.read(session, after, limit).await?;
        if let Some(last) = page.events.last() {
            self.1.used.lock().unwrap().reads += 1;
            self.1.reads.lock().unwrap().push((after, last.seq));
        }
        Ok(page)
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<bool, Unavailable> {
        self.0.wait(session, after, timeout).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), Unavailable> {
        EventLog::delete(&self.0, session).await
    }
}

struct MeteredBlobs(Arc<DirectoryBlobs>, Arc<Meter>);

#[async_trait]
impl Blobs for MeteredBlobs {
    async fn put(&self, session: &SessionId, content: &[u8]) -> Result<BlobRef, Unavailable> {
        self.0.put(session, content).await
    }

    async fn get(&self, session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, BlobError> {
        let content = self.0.get(session, digest).await?;
        let mut used = self.1.used.lock().unwrap();
        used.blobs += 1;
        used.blob_bytes += content.len();
        Ok(content)
    }

    async fn delete(&self, session: &SessionId, digest: &Digest256) -> Result<(), Unavailable> {
        self.0.delete(session, digest).await
    }

    async fn delete_session(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.0.delete_session(session).await
    }
}

struct StandIn {
    child: Child,
    url: String,
}

impl StandIn {
    fn start(program: &Path, script: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(["--json", "stand-in", "claude", "--listen", "127.0.0.1:0", "--script"]).arg(script);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = serde_json::from_str::<Value>(&line).unwrap()["url"].as_str().unwrap().to_owned();
        Self { child, url }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn script(turns: usize) -> Value {
    let command = |turn: usize, tool: usize| {
        let command = format!("seq {turn} {}; echo {turn}.{tool} >> a.txt", turn + 300);
        json!({ "name": "bash", "input": { "command": command } })
    };
    let turn = |turn: usize| {
        let commands: Vec<Value> = (0..3).map(|tool| command(turn, tool)).collect();
        json!({ "thinking": "On.", "tools": commands })
    };
    let plan = json!({
        "title": "Count", "summary": "It is asked for.", "steps": ["Count."], "files": [], "risks": [],
        "projectType": "general", "confidence": { "value": 0.9, "reason": "It is small." }, "decisions": [],
        "question": null,
    });
    let turns: Vec<Value> = (0..turns).map(turn).chain([json!({ "text": "Counted." })]).collect();
    json!({ "plan": plan, "turns": turns })
}

fn git(directory: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=B", "-c", "user.email=b@example.invalid"];
    let ran = Command::new("git").arg("-C").arg(directory).args(identity).args(arguments).status().unwrap();
    assert!(ran.success());
}

/// A repository, and the script of its session.
fn prepare(directory: &Path, turns: usize) -> (PathBuf, PathBuf) {
    let repository = directory.join("project");
    fs::create_dir_all(&repository).unwrap();
    fs::write(repository.join("a.txt"), "begin\n").unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    git(&repository, &["add", "--all"]);
    git(&repository, &["commit", "--quiet", "--message=Begin"]);
    let file = directory.join("script.json");
    fs::write(&file, script(turns).to_string()).unwrap();
    (repository, file)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Warm,
    Cold,
}

async fn measure(program: &Path, turns: usize, memory: Memory) -> Vec<Row> {
    let name = if memory == Memory::Warm { "warm" } else { "cold" };
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (repository, script) = prepare(directory, turns);
    let stand_in = StandIn::start(program, &script);
    let home = directory.join("home").display().to_string();
    let settings = Settings::from(|name| (name == variables::BACKSPACE_HOME).then(|| home.clone())).unwrap();
    let world = World::with_program(settings, KeepTree::No, program.to_owned()).unwrap();
    let (meter, store) = (Arc::<Meter>::default(), world.store.clone());
    let log = Arc::new(MeteredLog(store.clone(), Arc::clone(&meter)));
    let blobs = Arc::new(MeteredBlobs(Arc::clone(&world.blobs), Arc::clone(&meter)));
    let logs = SessionLogs::new(log, Arc::new(store), blobs, Arc::new(WallClock));
    let logs = if memory == Memory::Warm { logs } else { logs.uncached() };
    let tasks = world.step_tasks(logs, &stand_in.url, "key".into()).unwrap();
    let interpreter = Arc::new(world.engine.interpreter(Arc::new(tasks), Arc::new(WallClock)).unwrap());
    let limits = UncheckedLimits {
        max_turns: Some(u32::try_from(turns).unwrap() + 100),
        max_cost_usd: Some(500.0),
        max_minutes: Some(600),
    };
    let request = UncheckedRequest {
        repo_url: repository.display().to_string(),
        prompt: "Count.".to_owned(),
        limits: Some(limits),
        ..UncheckedRequest::default()
    };
    let request = request.check("claude-sonnet-5-5", domain::Network::None).unwrap();
    let begin = Start { owner: "local".parse().unwrap(), request, setup: world.setup().unwrap(), key: None };
    let session = start(&world.services(), begin).await.unwrap().session;
    let begun = Instant::now();
    let outcome = drive_session(&world, &interpreter, &session.id, WaitPolicy::Release).await.unwrap().unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let events = domain::read_all(&world.store, &session.id, Seq(0)).await.unwrap();
    let waits_for = events.iter().rev().find_map(|event| match &event.body {
        EventBody::WaitStarted(wait) => Some(&wait.reason),
        _ => None,
    });
    println!("{name}: {outcome:?} {waits_for:?}, {} events, {seconds:.1} s", events.len());
    rows(&meter, &events)
}

fn median<T: Copy + PartialOrd>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|left, right| left.partial_cmp(right).unwrap());
    values[values.len() / 2]
}

/// A shown turn.
struct Row {
    turn: usize,
    own_ms: f64,
    appends: usize,
    log_bytes: usize,
    blobs: usize,
    blob_bytes: usize,
    tokens: u64,
}

fn rows(meter: &Meter, events: &[Event]) -> Vec<Row> {
    let sizes: Vec<usize> = events.iter().map(|event| serde_json::to_string(event).unwrap().len()).collect();
    let (turns, reads) = (meter.turns.lock().unwrap().clone(), meter.reads.lock().unwrap().clone());
    let size = |(after, last): (Seq, Seq)| -> usize {
        sizes[usize::try_from(after.0).unwrap()..usize::try_from(last.0).unwrap()].iter().sum()
    };
    let lengths: Vec<u64> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::UsageUpdated(usage) => Some(usage.context_tokens),
            _ => None,
        })
        .collect();
    let row = |turn: usize| {
        let around = || turns[turn - 1 - WINDOW..=turn + WINDOW].windows(2).map(|pair| (pair[0], pair[1]));
        Row {
            turn,
            own_ms: median(around().map(|(from, to)| (to.processor - from.processor).as_secs_f64() * 1e3)),
            appends: median(around().map(|(from, to)| to.appends - from.appends)),
            log_bytes: median(
                around().map(|(from, to)| reads[from.reads..to.reads].iter().copied().map(size).sum::<usize>()),
            ),
            blobs: median(around().map(|(from, to)| to.blobs - from.blobs)),
            blob_bytes: median(around().map(|(from, to)| to.blob_bytes - from.blob_bytes)),
            tokens: lengths.get(turn - 1).copied().unwrap_or_default(),
        }
    };
    SHOWN.into_iter().filter(|shown| shown + WINDOW < turns.len()).map(row).collect()
}

fn show(rounds: &[Vec<Row>]) {
    println!(
        "{:>6} {:>9} {:>9} {:>14} {:>11} {:>15} {:>10}",
        "turn", "own ms", "appends", "log bytes read", "blobs read", "blob bytes read", "tokens"
    );
    let own = |shown: usize| rounds.iter().map(|rows| rows[shown].own_ms).fold(f64::INFINITY, f64::min);
    for (shown, row) in rounds[0].iter().enumerate() {
        let share = format!("{:.2} x turn {}", own(shown) / own(0), SHOWN[0]);
        let Row { turn, appends, log_bytes, blobs, blob_bytes, tokens, .. } = row;
        let own = own(shown);
        println!(
            "{turn:>6} {own:>9.2} {appends:>9} {log_bytes:>14} {blobs:>11} {blob_bytes:>15} {tokens:>10}   {share}"
        );
    }
}

#[tokio::main]
async fn main() {
    let turns = std::env::args().nth(1).map_or(SHOWN[3] + WINDOW + 2, |turns| turns.parse().unwrap());
    let release: PathBuf = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    for memory in [Memory::Warm, Memory::Cold] {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(measure(&release.join("backspace"), turns, memory).await);
        }
        show(&rounds);
    }
}

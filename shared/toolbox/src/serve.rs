//! Serves requests.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::error::ToolError;
use crate::files::root::Root;
use crate::operations;
use crate::protocol::{Answer, Call, Request, Response, parse};
use crate::worktree::tracker::Tracker;
use crate::{Baseline, Survey};

/// Maximum size of a request, in bytes. The largest requests carry a changeset for `restore` or `rebase`.
const MAX_REQUEST_BYTES: u64 = 256 << 20;

/// Carries out requests and keeps in memory what the next one can use. A caller that stays resident keeps it; for a process
/// that serves one request, the state directory holds the same.
#[derive(Default)]
pub struct Toolbox {
    tracked: Option<Tracked>,
}

/// The comparison of one workspace with its base commit.
struct Tracked {
    workspace: PathBuf,
    state: PathBuf,
    tracker: Tracker,
}

/// Reads one request from `input`, carries it out and writes one response to `output`.
///
/// A failed operation is reported in the response and still exits with success. The exit code is a failure only when the
/// response could not be written.
pub fn serve(input: impl Read, mut output: impl Write) -> ExitCode {
    let response = read_request(input)
        .map_or_else(|error| Response::new(Err(error)), |request| Toolbox::default().answer(request));
    let written = serde_json::to_vec(&response).map_err(io::Error::from).and_then(|mut bytes| {
        bytes.push(b'\n');
        output.write_all(&bytes)?;
        output.flush()
    });
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_request(input: impl Read) -> Result<Request, ToolError> {
    let mut bytes = Vec::new();
    input
        .take(MAX_REQUEST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ToolError::Protocol(error.to_string()))?;
    if bytes.len() as u64 > MAX_REQUEST_BYTES {
        return Err(ToolError::Protocol(format!("it is larger than {MAX_REQUEST_BYTES} bytes")));
    }
    parse(&bytes)
}

impl Toolbox {
    pub fn answer(&mut self, request: Request) -> Response {
        Response::new(self.dispatch(request))
    }

    fn dispatch(&mut self, request: Request) -> Result<Answer, ToolError> {
        let root = Root::open(&request.workspace)?;
        let state: &Path = &request.state;
        match request.call {
            Call::View(call) => {
                let outputs = request.outputs.as_deref().map(Root::open).transpose()?;
                operations::view::view(&root, outputs.as_ref(), state, &call).map(Answer::View)
            }
            Call::Create(call) => operations::create::create(&root, state, &call).map(Answer::Create),
            Call::StrReplace(call) => operations::str_replace::str_replace(&root, state, &call).map(Answer::StrReplace),
            Call::Insert(call) => operations::insert::insert(&root, state, &call).map(Answer::Insert),
            Call::Glob(call) => operations::glob::glob(&root, &call).map(Answer::Glob),
            Call::Grep(call) => operations::grep::grep(&root, &call).map(Answer::Grep),
            Call::Survey(Survey {}) => operations::survey::survey(&root).map(Answer::Survey),
            Call::Instructions(call) => {
                operations::instructions::instructions(&root, state, &call).map(Answer::Instructions)
            }
            Call::Baseline(Baseline {}) => operations::baseline::baseline(&root, state).map(Answer::Baseline),
            Call::Collect(call) => {
                let tracker = self.tracker(&request.workspace, state)?;
                operations::collect::collect(&root, state, tracker, &call).map(Answer::Collect)
            }
            Call::Restore(call) => operations::restore::restore(&root, &call).map(Answer::Restore),
            Call::Rebase(call) => operations::rebase::rebase(&root, state, &call).map(Answer::Rebase),
        }
    }

    fn tracker(&mut self, workspace: &Path, state: &Path) -> Result<&mut Tracker, ToolError> {
        let tracked = match self.tracked.take().filter(|kept| kept.workspace == workspace && kept.state == state) {
            Some(kept) => kept,
            None => {
                Tracked { workspace: workspace.to_owned(), state: state.to_owned(), tracker: Tracker::open(state)? }
            }
        };
        Ok(&mut self.tracked.insert(tracked).tracker)
    }
}

//! Serves requests.

use std::path::{Path, PathBuf};

use crate::error::ToolError;
use crate::files::root::Root;
use crate::operations;
use crate::protocol::{Answer, Call, Request, Response, parse};
use crate::worktree::tracker::Tracker;
use crate::{Baseline, Settle, Survey};

/// Carries out requests and keeps in memory what the next one can use. The state directory holds the same for the next process.
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

impl Toolbox {
    /// Carries out a request in JSON and returns the response in JSON. A failed operation is reported in the response, and so is a
    /// request that cannot be read.
    pub fn answer_json(&mut self, request: &[u8]) -> Vec<u8> {
        let response = match parse(request) {
            Ok(request) => self.answer(request),
            Err(error) => Response::new(Err(error)),
        };
        // Serialising plain data into memory cannot fail; nobody would understand half an answer.
        serde_json::to_vec(&response).unwrap_or_default()
    }

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
            Call::Settle(Settle {}) => {
                let tracker = self.tracker(&request.workspace, state)?;
                operations::settle::settle(&root, state, tracker).map(Answer::Settle)
            }
            Call::PutBack(call) => {
                let tracker = self.tracker(&request.workspace, state)?;
                operations::put_back::put_back(&root, state, tracker, &call).map(Answer::PutBack)
            }
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

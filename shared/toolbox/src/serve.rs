//! Serves one request.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::error::ToolError;
use crate::files::root::Root;
use crate::operations;
use crate::protocol::{Answer, Call, Request, Response, parse};
use crate::{Baseline, Survey};

/// Maximum size of a request, in bytes. The largest requests carry a changeset for `restore` or `rebase`.
const MAX_REQUEST_BYTES: u64 = 256 << 20;

/// Reads one request from `input`, carries it out and writes one response to `output`.
///
/// A failed operation is reported in the response and still exits with success. The exit code is a failure only when the
/// response could not be written.
pub fn serve(input: impl Read, mut output: impl Write) -> ExitCode {
    let response = Response::new(answer(input));
    let written = serde_json::to_vec(&response).map_err(io::Error::from).and_then(|mut bytes| {
        bytes.push(b'\n');
        output.write_all(&bytes)?;
        output.flush()
    });
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn answer(input: impl Read) -> Result<Answer, ToolError> {
    let mut bytes = Vec::new();
    input
        .take(MAX_REQUEST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ToolError::Protocol(error.to_string()))?;
    if bytes.len() as u64 > MAX_REQUEST_BYTES {
        return Err(ToolError::Protocol(format!("it is larger than {MAX_REQUEST_BYTES} bytes")));
    }
    let request: Request = parse(&bytes)?;
    // A request with a changeset is large, and its parsed form holds all of it again.
    drop(bytes);
    dispatch(request)
}

fn dispatch(request: Request) -> Result<Answer, ToolError> {
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
        Call::Collect(call) => operations::collect::collect(&root, state, &call).map(Answer::Collect),
        Call::Restore(call) => operations::restore::restore(&root, &call).map(Answer::Restore),
        Call::Diff(call) => operations::diff::diff(&root, state, &call).map(Answer::Diff),
        Call::Rebase(call) => operations::rebase::rebase(&root, state, &call).map(Answer::Rebase),
    }
}

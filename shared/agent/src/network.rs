//! What was asked of the network, as events.

use domain::ports::{SandboxError, Sandboxes};
use domain::{EventBody, Network, NetworkAllowed, NetworkRefused, StepError};

use crate::context::Context;

/// The requests of the session's sandbox that are not in the log yet.
pub(crate) async fn unrecorded_requests(
    context: &Context,
    sandboxes: &dyn Sandboxes,
) -> Result<Vec<EventBody>, StepError> {
    let network = context.session()?.request.network;
    let (Some(sandbox), Network::Registries | Network::Open) = (&context.log.state().sandbox, network) else {
        return Ok(Vec::new());
    };
    let requests = match sandboxes.network_requests(&sandbox.id, sandbox.network_requests).await {
        Ok(requests) => requests,
        // Whoever works in the sandbox finds out.
        Err(SandboxError::Lost(_)) => return Ok(Vec::new()),
        Err(error @ (SandboxError::Unavailable(_) | SandboxError::Impossible(_))) => return Err(error.into()),
    };
    let events = requests.into_iter().map(|request| {
        // What a command wants to carry out may be in the name of a host.
        let host = context.common.redactor.redact(&request.host).into_owned();
        let (sandbox, port) = (sandbox.id.clone(), request.port);
        match request.refused {
            None => NetworkAllowed { sandbox, host, port }.into(),
            Some(reason) => NetworkRefused { sandbox, host, port, reason }.into(),
        }
    });
    Ok(events.collect())
}

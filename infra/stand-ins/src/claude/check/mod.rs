//! What the API refuses of a well-formed request, in its words.

use super::api_error::ApiError;
use super::request::Request;

mod cache_breakpoints;
pub(crate) mod fields;
mod messages;
mod pairing;
mod tools;

/// Every check but [`fields::names`], which has to come before parsing.
pub(crate) fn request(request: &Request, beta: bool) -> Result<(), ApiError> {
    fields::max_tokens(request)?;
    messages::system(request)?;
    tools::list(request)?;
    messages::list(request)?;
    fields::thinking(request, beta)?;
    fields::output_config(request)?;
    tools::choice(request)?;
    pairing::check(&request.messages)?;
    cache_breakpoints::check(request)?;
    fields::prompt_length(request)
}

//! Which checks are run.

use domain::state::SessionState;

/// The commands of the plan, which a person may have seen. Plans of earlier versions name none: then those of the survey.
pub(super) fn checks(state: &SessionState) -> Vec<String> {
    let planned = state.plan.as_ref().and_then(|plan| plan.content.checks.clone());
    let surveyed = || state.survey.as_ref().map(|surveyed| surveyed.survey.checks().cloned().collect());
    planned.or_else(surveyed).unwrap_or_default()
}

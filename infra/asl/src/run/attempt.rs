use futures_util::future::{Either, select};
use jiff::Timestamp;
use serde_json::Value;

use crate::{ExecutionStore, Failure, StoreError, TaskAnswer, TaskCall, Tasks, Time};

/// One try of a task.
pub(crate) struct Attempt<'a> {
    pub(crate) tasks: &'a dyn Tasks,
    pub(crate) store: &'a dyn ExecutionStore,
    pub(crate) time: &'a dyn Time,
    pub(crate) call: TaskCall,
    /// When the try is over, whatever has come of it.
    pub(crate) deadline: Timestamp,
}

impl Attempt<'_> {
    /// The task's result; none when the deadline came first.
    pub(crate) async fn run(self) -> Result<Option<Result<Value, Failure>>, StoreError> {
        match self.call.token.clone() {
            None => {
                let invoked = self.tasks.invoke(self.call);
                Ok(before(self.time, self.deadline, invoked).await)
            }
            Some(token) => self.run_callback(&token).await,
        }
    }

    async fn run_callback(self, token: &str) -> Result<Option<Result<Value, Failure>>, StoreError> {
        let Self { tasks, store, time, call, deadline } = self;
        let execution = call.execution.clone();
        // A resumed execution may have been answered while nobody ran it.
        if let Some(answer) = store.find_answer(&execution, token).await? {
            return Ok(Some(result(answer)));
        }
        if time.now() < deadline {
            let answered = async {
                let answered = store.wait_for_answer(&execution, token);
                match select(answered, tasks.invoke(call)).await {
                    // Who is quicker than the task's own call must not cut it off.
                    Either::Left((answer, invoked)) => {
                        let _ = invoked.await;
                        answer.map(result)
                    }
                    Either::Right((Ok(_), answered)) => answered.await.map(result),
                    Either::Right((Err(failure), _)) => {
                        let answer = store.find_answer(&execution, token).await?;
                        Ok(answer.map_or(Err(failure), result))
                    }
                }
            };
            if let Some(answer) = before(time, deadline, Box::pin(answered)).await {
                return answer.map(Some);
            }
        }
        Ok(store.close_token(&execution, token).await?.map(result))
    }
}

fn result(answer: TaskAnswer) -> Result<Value, Failure> {
    match answer {
        TaskAnswer::Success { output } => Ok(output),
        TaskAnswer::Failure(failure) => Err(failure),
    }
}

/// What `work` comes to, or none (and the work is dropped) when `deadline` comes first.
async fn before<T>(time: &dyn Time, deadline: Timestamp, work: impl Future<Output = T> + Unpin) -> Option<T> {
    match select(work, time.sleep_until(deadline)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(((), _)) => None,
    }
}

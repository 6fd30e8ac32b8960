use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use asl::{
    End, ExecutionStore, Failure, Interpreter, Position, Progress, RunError, StateMachine, StoreError, TaskAnswer,
    TaskCall, Tasks, Time,
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

/// One scripted response of a task.
#[derive(Clone)]
pub(crate) enum Act {
    Return(Value),
    Fail(&'static str),
    /// Never returns.
    Hang,
    /// Returns after that many seconds.
    Slow(u64, Value),
}

/// The scripted answer to a token.
#[derive(Clone)]
pub(crate) enum Reply {
    Answer(TaskAnswer),
    Never,
}

/// All ports of the interpreter in one double. It survives a crash of the interpreter.
#[derive(Default)]
pub(crate) struct World {
    now: Mutex<Timestamp>,
    pub(crate) sleeps: Mutex<Vec<u64>>,
    pub(crate) calls: Mutex<Vec<TaskCall>>,
    acts: Mutex<HashMap<String, VecDeque<Act>>>,
    positions: Mutex<HashMap<String, String>>,
    pub(crate) saved: Mutex<Vec<Position>>,
    replies: Mutex<VecDeque<Reply>>,
    answers: Mutex<HashMap<String, TaskAnswer>>,
    pub(crate) closed: Mutex<Vec<String>>,
    pub(crate) crash: Mutex<Option<Crash>>,
    random: AtomicU64,
}

/// A simulated crash at one save, counted from 0: before or after the position is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    Before(usize),
    After(usize),
}

impl World {
    /// `acts` are the responses of each state's task, call by call; the last one repeats.
    pub(crate) fn new<const N: usize>(acts: [(&str, Vec<Act>); N]) -> Arc<Self> {
        let acts = acts.map(|(state, acts)| (state.to_owned(), VecDeque::from(acts)));
        Arc::new(Self { acts: Mutex::new(HashMap::from(acts)), ..Self::default() })
    }

    pub(crate) fn replies(self: &Arc<Self>, replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        self.replies.lock().unwrap().extend(replies);
        Arc::clone(self)
    }

    pub(crate) fn interpreter(self: &Arc<Self>, machine: &StateMachine) -> Interpreter {
        let world = Arc::clone(self);
        // Alternates between 0 and one half of the range.
        let random = move || world.random.fetch_add(1 << 63, Ordering::Relaxed);
        Interpreter::new("test", machine.clone(), self.clone(), self.clone(), self.clone(), Arc::new(random))
    }

    pub(crate) fn run(self: &Arc<Self>, machine: &StateMachine, input: Value) -> Result<End, RunError> {
        block_on(self.interpreter(machine).run("e", input))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        *self.now.lock().unwrap() += Duration::from_secs(seconds);
    }

    pub(crate) fn elapsed(&self) -> u64 {
        self.now.lock().unwrap().as_second().unsigned_abs()
    }

    pub(crate) fn answer(&self, token: &str, answer: TaskAnswer) {
        self.answers.lock().unwrap().insert(token.to_owned(), answer);
    }

    /// The states whose tasks were called, in order.
    pub(crate) fn called(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(|call| call.state.clone()).collect()
    }

    /// The states that were entered, in order; each retry counts as an entry.
    pub(crate) fn entered(&self) -> Vec<String> {
        let saved = self.saved.lock().unwrap();
        let states = saved.iter().filter_map(|position| match &position.progress {
            Progress::In(entry) => Some(entry.state.clone()),
            Progress::Ended(_) => None,
        });
        states.collect()
    }
}

#[async_trait]
impl Tasks for World {
    async fn invoke(&self, call: TaskCall) -> Result<Value, Failure> {
        let act = {
            let mut acts = self.acts.lock().unwrap();
            let acts = acts.get_mut(&call.state).expect("a script for this state");
            let last = acts.back().cloned();
            let act = acts.pop_front();
            if acts.is_empty() {
                acts.extend(last);
            }
            act.expect("an act")
        };
        self.calls.lock().unwrap().push(call);
        match act {
            Act::Return(value) => Ok(value),
            Act::Fail(error) => Err(Failure::new(error, "scripted")),
            Act::Hang => std::future::pending().await,
            Act::Slow(seconds, value) => {
                self.advance(seconds);
                Ok(value)
            }
        }
    }
}

#[async_trait]
impl ExecutionStore for World {
    async fn load(&self, execution: &str) -> Result<Option<Position>, StoreError> {
        let positions = self.positions.lock().unwrap();
        let position = positions.get(execution).map(|text| serde_json::from_str(text));
        position.transpose().map_err(StoreError::new)
    }

    async fn save(&self, execution: &str, position: &Position) -> Result<(), StoreError> {
        let count = self.saved.lock().unwrap().len();
        let crash = *self.crash.lock().unwrap();
        if matches!(crash, Some(Crash::Before(at)) if at == count) {
            return Err(StoreError::new("crash before the save"));
        }
        let text = serde_json::to_string(position).map_err(StoreError::new)?;
        self.positions.lock().unwrap().insert(execution.to_owned(), text);
        self.saved.lock().unwrap().push(position.clone());
        if matches!(crash, Some(Crash::After(at)) if at == count) {
            return Err(StoreError::new("crash after the save"));
        }
        Ok(())
    }

    async fn find_answer(&self, _: &str, token: &str) -> Result<Option<TaskAnswer>, StoreError> {
        Ok(self.answers.lock().unwrap().get(token).cloned())
    }

    async fn wait_for_answer(&self, _: &str, token: &str) -> Result<TaskAnswer, StoreError> {
        let reply = self.replies.lock().unwrap().pop_front();
        match reply {
            Some(Reply::Answer(answer)) => {
                self.answer(token, answer.clone());
                Ok(answer)
            }
            Some(Reply::Never) | None => std::future::pending().await,
        }
    }

    async fn close_token(&self, _: &str, token: &str) -> Result<Option<TaskAnswer>, StoreError> {
        self.closed.lock().unwrap().push(token.to_owned());
        Ok(self.answers.lock().unwrap().get(token).cloned())
    }
}

#[async_trait]
impl Time for World {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut now = self.now.lock().unwrap();
        if at > *now {
            self.sleeps.lock().unwrap().push(at.duration_since(*now).as_secs().unsigned_abs());
            *now = at;
        }
    }
}

/// A definition without substitutions.
pub(crate) fn machine(definition: Value) -> StateMachine {
    StateMachine::parse(&definition.to_string(), |_| None).expect("a valid definition")
}

/// A definition with the single state `A`.
pub(crate) fn single(state: Value) -> StateMachine {
    machine(serde_json::json!({ "StartAt": "A", "States": { "A": state } }))
}

pub(crate) fn succeeded(output: Value) -> End {
    End::Succeeded { output }
}

/// The name of the error that an execution failed with.
pub(crate) fn error(end: Result<End, RunError>) -> String {
    match end.expect("an end") {
        End::Failed(failure) => failure.error,
        other @ (End::Succeeded { .. } | End::Aborted(_)) => panic!("not failed: {other:?}"),
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

//! The supervisor's loop. One thread waits for everything: clients, commands, the worker, the clock.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sandbox::{Ended, ExecId, Sandbox, Source};
use sandbox_protocol::{Failure, Greeting, encode};

use self::client::Client;
use self::operations::Operations;
use self::waits::Waits;
use crate::{Ending, Order, socket};

mod calls;
mod client;
mod convert;
mod operations;
mod waits;

const MAX_CLIENTS: usize = 256;
/// Time without new clients after one could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Server {
    order: Order,
    sandbox: Sandbox,
    listener: UnixListener,
    greeting: Vec<u8>,
    clients: BTreeMap<ClientId, Client>,
    waits: Waits,
    operations: Operations,
    /// Why commands were not started, for clients that wait for them later.
    not_started: BTreeMap<ExecId, Failure>,
    began: Instant,
    /// When there was last something to do.
    active: Instant,
    deaf_until: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ClientId(u64);

/// Why a server ended.
pub(crate) enum End {
    /// Whoever started it is gone.
    Untethered,
    Ending(Ending),
}

/// Whose descriptor is ready.
enum Ready {
    Tether,
    Listener,
    Client(ClientId),
    Sandbox(Source),
    Worker,
}

impl Server {
    pub(crate) fn new(sandbox: Sandbox, listener: UnixListener, order: Order) -> Self {
        let layout = convert::layout(sandbox.layout(), order.source.as_deref());
        let now = Instant::now();
        Self {
            operations: Operations::new(sandbox.layout()),
            order,
            sandbox,
            listener,
            greeting: encode(&Greeting::new(layout), &[]).unwrap_or_default(),
            clients: BTreeMap::new(),
            waits: Waits::default(),
            not_started: BTreeMap::new(),
            began: now,
            active: now,
            deaf_until: None,
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.order.specification.directory
    }

    /// Serves until there is a reason to end. The sandbox is open still.
    pub(crate) fn serve(mut self, tether: Option<&UnixStream>) -> (Self, io::Result<End>) {
        let end = self.run(tether);
        (self, end)
    }

    fn run(&mut self, tether: Option<&UnixStream>) -> io::Result<End> {
        loop {
            for ready in self.wait(tether)? {
                match ready {
                    // It has said all it had to say.
                    Ready::Tether => return Ok(End::Untethered),
                    Ready::Listener => self.accept(),
                    Ready::Client(id) => self.serve_client(id),
                    Ready::Sandbox(source) => match self.sandbox.hear(&source).map_err(io::Error::other)? {
                        Some(Ended::Exec(id, ending)) => self.conclude(id, ending),
                        Some(Ended::Worker(status)) => {
                            let done = self.operations.worker_ended(status);
                            self.hand_out(done);
                        }
                        None => {}
                    },
                    Ready::Worker => {
                        let done = self.operations.hear(&mut self.sandbox);
                        self.hand_out(done);
                    }
                }
            }
            if let Some(ending) = self.tick(Instant::now()) {
                return Ok(End::Ending(ending));
            }
        }
    }

    fn wait(&self, tether: Option<&UnixStream>) -> io::Result<Vec<Ready>> {
        let mut sources = Vec::new();
        sources.extend(tether.map(|tether| (Ready::Tether, tether.as_fd(), PollFlags::POLLIN)));
        if self.clients.len() < MAX_CLIENTS && self.deaf_until.is_none() {
            sources.push((Ready::Listener, self.listener.as_fd(), PollFlags::POLLIN));
        }
        let clients = self.clients.iter().map(|(id, client)| (Ready::Client(*id), client.as_fd(), client.interest()));
        sources.extend(clients);
        sources.extend(self.operations.source().map(|(descriptor, flags)| (Ready::Worker, descriptor, flags)));
        let inside = self.sandbox.sources();
        sources.extend(inside.map(|(source, descriptor, flags)| (Ready::Sandbox(source), descriptor, flags)));
        let mut watched: Vec<PollFd<'_>> =
            sources.iter().map(|(_, descriptor, flags)| PollFd::new(*descriptor, *flags)).collect();
        match poll(&mut watched, self.time_to_wait()) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = watched.iter().map(|entry| entry.any().unwrap_or(true)).collect();
        let backlog = |source: &Ready| match source {
            Ready::Client(id) => self.clients.get(id).is_some_and(Client::has_backlog),
            Ready::Tether | Ready::Listener | Ready::Sandbox(_) | Ready::Worker => false,
        };
        let ready = sources.into_iter().zip(ready).map(|((source, ..), ready)| (ready || backlog(&source), source));
        Ok(ready.filter(|(ready, _)| *ready).map(|(_, source)| source).collect())
    }

    fn time_to_wait(&self) -> PollTimeout {
        if self.clients.values().any(Client::has_backlog) {
            return PollTimeout::ZERO;
        }
        let moments = [
            self.sandbox.next_moment(),
            self.waits.next_moment(),
            self.operations.next_moment(),
            self.deaf_until,
            self.lifetime_over(),
            self.idle_over(),
        ];
        let Some(next) = moments.into_iter().flatten().min() else { return PollTimeout::NONE };
        // Rounded up: a moment too early would only spin.
        let milliseconds = next.saturating_duration_since(Instant::now()).as_millis() + 1;
        i32::try_from(milliseconds).ok().and_then(|time| PollTimeout::try_from(time).ok()).unwrap_or(PollTimeout::MAX)
    }

    /// Lets time have its effects; answers why everything is to end.
    fn tick(&mut self, now: Instant) -> Option<Ending> {
        self.sandbox.tick(now);
        for wait in self.waits.take_due(now) {
            self.answer_wait(&wait);
        }
        let done = self.operations.tick(now, &mut self.sandbox);
        self.hand_out(done);
        self.deaf_until = self.deaf_until.filter(|moment| *moment > now);
        if !self.is_idle() {
            self.active = now;
        }
        let over = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now);
        match (over(self.lifetime_over()), over(self.idle_over())) {
            (true, _) => Some(Ending::Lifetime),
            (false, true) => Some(Ending::Idle),
            (false, false) => None,
        }
    }

    fn is_idle(&self) -> bool {
        self.clients.is_empty() && self.sandbox.is_idle() && self.operations.is_idle()
    }

    fn lifetime_over(&self) -> Option<Instant> {
        self.began.checked_add(self.order.lifetime?)
    }

    fn idle_over(&self) -> Option<Instant> {
        let time = self.order.idle?;
        if self.is_idle() { self.active.checked_add(time) } else { None }
    }

    fn accept(&mut self) {
        let accepted = self.listener.accept().and_then(|(stream, _)| {
            let (_, ours) = socket::peer(&stream)?;
            if ours { Client::new(stream).map(Some) } else { Ok(None) }
        });
        match accepted {
            Ok(Some(mut client)) => {
                client.send(self.greeting.clone());
                let id = ClientId(self.clients.last_key_value().map_or(0, |(ClientId(last), _)| last + 1));
                self.clients.insert(id, client);
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.deaf_until = Instant::now().checked_add(PAUSE),
        }
    }

    fn serve_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.exchange().is_err() {
            return self.part_from(id);
        }
        loop {
            let Some(client) = self.clients.get_mut(&id) else { return };
            match client.next_request() {
                Ok(Some((request, body))) => self.answer(id, request, &body),
                Ok(None) => break,
                Err(_) => return self.part_from(id),
            }
        }
        // What has just been answered goes out without another round.
        if let Some(client) = self.clients.get_mut(&id)
            && client.flush().is_err()
        {
            self.part_from(id);
        }
    }

    /// It loses its waits; what it has started goes on.
    fn part_from(&mut self, id: ClientId) {
        self.clients.remove(&id);
        self.waits.forget(id);
        self.operations.forget(id);
    }
}

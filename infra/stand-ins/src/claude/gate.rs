//! Gates with which a test holds a reply.

use tokio::sync::oneshot;

/// Holds one reply in mid-stream. Dropping the gate releases the reply.
#[derive(Debug)]
pub struct Gate {
    reached: Option<oneshot::Receiver<()>>,
    /// Dropping the sender releases the reply.
    _release: oneshot::Sender<()>,
}

/// The side of a gate that the reply waits at.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) after_pieces: usize,
    reached: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

impl Gate {
    pub(crate) fn new(after_pieces: usize) -> (Self, Hold) {
        let (reached, wait_reached) = oneshot::channel();
        let (release, released) = oneshot::channel();
        (Self { reached: Some(wait_reached), _release: release }, Hold { after_pieces, reached, released })
    }

    /// Waits until a reply is held. False if the reply ended before it reached the gate.
    pub async fn reached(&mut self) -> bool {
        match self.reached.take() {
            Some(reached) => reached.await.is_ok(),
            None => true,
        }
    }

    /// Lets the reply continue.
    pub fn release(self) {}
}

impl Hold {
    /// Reports that the reply is held, and waits until it is released.
    pub(crate) async fn wait(self) {
        // Both fail only when the gate was dropped, which releases the reply.
        let _ = self.reached.send(());
        let _ = self.released.await;
    }
}

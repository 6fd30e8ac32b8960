//! Holding a reply until a test lets it go.

use tokio::sync::oneshot;

/// Holds one reply after some of its pieces. Dropping it lets the reply go.
#[derive(Debug)]
pub struct Gate {
    reached: Option<oneshot::Receiver<()>>,
    /// Letting go is dropping this.
    _release: oneshot::Sender<()>,
}

/// The reply's side of a gate.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) after_pieces: usize,
    reached: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

impl Gate {
    pub(crate) fn new(after_pieces: usize) -> (Self, Hold) {
        let (reached, hears_reached) = oneshot::channel();
        let (release, released) = oneshot::channel();
        (Self { reached: Some(hears_reached), _release: release }, Hold { after_pieces, reached, released })
    }

    /// Waits until a reply stands at the gate. False when it ended before it came so far.
    pub async fn reached(&mut self) -> bool {
        match self.reached.take() {
            Some(reached) => reached.await.is_ok(),
            None => true,
        }
    }

    /// Lets the reply go on.
    pub fn release(self) {}
}

impl Hold {
    /// Says that the reply stands here, and waits until it may go on.
    pub(crate) async fn wait(self) {
        // Nobody may be waiting for the news, and a dropped gate is an open one.
        let _ = self.reached.send(());
        let _ = self.released.await;
    }
}

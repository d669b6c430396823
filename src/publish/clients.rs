//! The clients of the server. Few are answered at a time; where one more comes, the slowest is sent away.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Clients that are answered at the same time.
const MAX_CLIENTS: usize = 32;

/// Nobody is sent away sooner than this: clients that come again at once must not push out one that is about to ask.
const GRACE: Duration = Duration::from_millis(250);

/// How far a client is. The first of these are sent away first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ClientStage {
    /// It has its answer.
    Leaving,
    /// It has not asked yet.
    Asking,
    /// It is taking its answer.
    Taking,
}

#[derive(Debug)]
struct ConnectedClient {
    number: u64,
    since: Instant,
    stage: ClientStage,
    stream: Arc<TcpStream>,
}

impl ConnectedClient {
    /// When it may be sent away.
    fn goes_at(&self) -> Instant {
        if self.stage == ClientStage::Leaving { self.since } else { self.since + GRACE }
    }

    /// Wakes its thread, which still tells it why unless part of an answer was written.
    fn give_way(self) {
        let how = if self.stage == ClientStage::Asking { Shutdown::Read } else { Shutdown::Both };
        // It may be gone already.
        let _ = self.stream.shutdown(how);
    }
}

/// The clients that are there.
#[derive(Debug, Default)]
pub(super) struct Clients {
    present: Mutex<Vec<ConnectedClient>>,
    left: Condvar,
}

impl Clients {
    /// Lets a client in once there is room. Without room the slowest is sent away after its time of grace.
    pub(super) fn let_in(self: &Arc<Self>, number: u64, stream: Arc<TcpStream>) -> ClientSlot {
        let mut present = self.lock();
        while present.len() >= MAX_CLIENTS {
            let slowest = present.iter().enumerate().min_by_key(|(_, client)| (client.stage, client.since));
            let Some((at, goes_at)) = slowest.map(|(at, client)| (at, client.goes_at())) else { break };
            let grace = goes_at.saturating_duration_since(Instant::now());
            if grace.is_zero() {
                present.remove(at).give_way();
            } else {
                let waited = self.left.wait_timeout(present, grace);
                present = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        present.push(ConnectedClient { number, since: Instant::now(), stage: ClientStage::Asking, stream });
        ClientSlot { clients: Arc::clone(self), number }
    }

    /// Takes the lock even if a holder has panicked: the list is whole at any time.
    fn lock(&self) -> MutexGuard<'_, Vec<ConnectedClient>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's slot. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct ClientSlot {
    clients: Arc<Clients>,
    number: u64,
}

impl ClientSlot {
    /// Notes how far the client is. Returns false if it was sent away.
    pub(super) fn reach(&self, stage: ClientStage) -> bool {
        let mut present = self.clients.lock();
        let client = present.iter_mut().find(|client| client.number == self.number);
        client.map(|client| client.stage = stage).is_some()
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.clients.lock().retain(|client| client.number != self.number);
        self.clients.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Clients that share one connection: nobody reads or writes.
    fn full(clients: &Arc<Clients>, stream: &Arc<TcpStream>) -> Vec<ClientSlot> {
        (0..MAX_CLIENTS as u64).map(|number| clients.let_in(number, Arc::clone(stream))).collect()
    }

    fn stream() -> Arc<TcpStream> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Arc::new(TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection"))
    }

    #[test]
    fn whoever_has_not_asked_for_the_longest_gives_way_first() {
        let (clients, stream) = (Arc::default(), stream());
        let places = full(&clients, &stream);
        places[..3].iter().for_each(|place| assert!(place.reach(ClientStage::Taking)));
        let _new = clients.let_in(100, Arc::clone(&stream));
        assert!(!places[3].reach(ClientStage::Asking), "it has given way");
        assert!(places[0].reach(ClientStage::Taking) && places[4].reach(ClientStage::Asking));
        assert!(places[9].reach(ClientStage::Leaving));
        let _new = clients.let_in(101, Arc::clone(&stream));
        assert!(!places[9].reach(ClientStage::Leaving), "it has its answer");
        for place in &places[4..] {
            place.reach(ClientStage::Taking);
        }
        let _new = clients.let_in(102, Arc::clone(&stream));
        assert_eq!(clients.lock().len(), MAX_CLIENTS);
        assert!(places[0].reach(ClientStage::Taking), "those that were let in just now have not asked");
    }

    #[test]
    fn a_place_that_is_given_back_is_taken_without_anybody_giving_way() {
        let (clients, stream) = (Arc::default(), stream());
        let mut places = full(&clients, &stream);
        drop(places.pop());
        let _new = clients.let_in(100, stream);
        assert!(places.iter().all(|place| place.reach(ClientStage::Asking)));
    }
}

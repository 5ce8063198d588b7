//! Unwrapped keys, kept for a short while, so that the key service is asked once for a burst of work on a member.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::{MasterKey, MemberKey, SealError};
use crate::values::{MemberId, Moment};

/// Holds the keys of at most 256 members in memory for at most five minutes each.
///
/// Short enough that a key which was destroyed or forbidden elsewhere is soon out of use here too.
#[derive(Default)]
pub struct KeyCache {
    slots: Mutex<HashMap<MemberId, Arc<Slot>>>,
}

/// One member's place. Callers who come while the key is being unwrapped wait for that one call.
struct Slot {
    wrapped: Vec<u8>,
    until: Moment,
    key: OnceCell<MemberKey>,
}

impl KeyCache {
    const MOST: usize = 256;
    const KEEP: Duration = Duration::from_mins(5);

    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The member's key: from memory, or unwrapped by one call to the master key. `now` is the time of security,
    /// [`crate::clock::Clock::wall`].
    ///
    /// A failure isn't kept: the next caller asks again.
    pub async fn key(
        &self,
        master: &dyn MasterKey,
        member: MemberId,
        wrapped: &[u8],
        now: Moment,
    ) -> Result<MemberKey, SealError> {
        let slot = self.slot(member, wrapped, now);
        slot.key.get_or_try_init(|| master.unwrap(member, &slot.wrapped)).await.cloned()
    }

    /// Keeps a key that was just made, so that the request which makes a member asks for nothing twice.
    pub fn keep(&self, member: MemberId, wrapped: &[u8], key: MemberKey, now: Moment) {
        // A slot that is filled already holds the same key: it was unwrapped from the same bytes.
        let _ = self.slot(member, wrapped, now).key.set(key);
    }

    /// Drops a member's key: for erasure.
    pub fn forget(&self, member: MemberId) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(&member);
    }

    fn slot(&self, member: MemberId, wrapped: &[u8], now: Moment) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&member)
            && slot.until > now
            && slot.wrapped == wrapped
        {
            return Arc::clone(slot);
        }
        if slots.len() >= Self::MOST {
            make_room(&mut slots, now);
        }
        let slot = Arc::new(Slot { wrapped: wrapped.to_vec(), until: now.plus(Self::KEEP), key: OnceCell::new() });
        slots.insert(member, Arc::clone(&slot));
        slot
    }
}

/// Drops what is over, and if that is nothing, what would be over first.
fn make_room(slots: &mut HashMap<MemberId, Arc<Slot>>, now: Moment) {
    let before = slots.len();
    slots.retain(|_, slot| slot.until > now);
    if slots.len() == before
        && let Some(oldest) = slots.iter().min_by_key(|(_, slot)| slot.until).map(|(member, _)| *member)
    {
        slots.remove(&oldest);
    }
}

/// Neither keys nor members show.
impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCache")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures_util::future::{BoxFuture, join_all};

    use super::*;

    /// A key service that counts its calls; unwrapping gives back the wrapped bytes.
    #[derive(Debug, Default)]
    struct Counting {
        calls: AtomicUsize,
        down: AtomicBool,
    }

    impl MasterKey for Counting {
        fn wrap<'a>(&'a self, _: MemberId, key: &'a MemberKey) -> BoxFuture<'a, Result<Vec<u8>, SealError>> {
            Box::pin(async { Ok(key.bytes().to_vec()) })
        }

        fn unwrap<'a>(&'a self, _: MemberId, wrapped: &'a [u8]) -> BoxFuture<'a, Result<MemberKey, SealError>> {
            Box::pin(async {
                self.calls.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                let down = self.down.load(Ordering::SeqCst);
                let key = || MemberKey::from_bytes(wrapped.try_into().unwrap());
                if down { Err(SealError::Unavailable("down".to_owned())) } else { Ok(key()) }
            })
        }
    }

    impl Counting {
        fn calls(&self) -> usize {
            self.calls.load(Ordering::SeqCst)
        }
    }

    fn at(seconds: i64) -> Moment {
        Moment::from_millis((1_900_000_000 + seconds) * 1000).unwrap()
    }

    fn member(number: u16) -> MemberId {
        MemberId::from_random(u128::from(number).to_be_bytes())
    }

    #[tokio::test]
    async fn a_burst_of_work_on_one_member_asks_once() {
        let (cache, master) = (KeyCache::new(), Counting::default());
        let burst = join_all((0..20).map(|_| cache.key(&master, member(1), &[7; 32], at(0)))).await;
        assert!(burst.into_iter().all(|key| key.unwrap().bytes() == &[7; 32]));
        assert_eq!(master.calls(), 1);
        cache.key(&master, member(1), &[7; 32], at(299)).await.unwrap();
        assert_eq!(master.calls(), 1);
        cache.key(&master, member(1), &[7; 32], at(300)).await.unwrap();
        assert_eq!(master.calls(), 2, "five minutes are over");
    }

    #[tokio::test]
    async fn a_key_that_was_replaced_or_forgotten_is_asked_for_again() {
        let (cache, master) = (KeyCache::new(), Counting::default());
        cache.key(&master, member(1), &[7; 32], at(0)).await.unwrap();
        assert_eq!(cache.key(&master, member(1), &[8; 32], at(0)).await.unwrap().bytes(), &[8; 32]);
        cache.forget(member(1));
        cache.key(&master, member(1), &[8; 32], at(0)).await.unwrap();
        assert_eq!(master.calls(), 3);
    }

    #[tokio::test]
    async fn a_key_that_was_just_made_is_not_asked_for() {
        let (cache, master) = (KeyCache::new(), Counting::default());
        cache.keep(member(1), &[7; 32], MemberKey::from_bytes([7; 32]), at(0));
        cache.key(&master, member(1), &[7; 32], at(1)).await.unwrap();
        assert_eq!(master.calls(), 0);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let (cache, master) = (KeyCache::new(), Counting::default());
        master.down.store(true, Ordering::SeqCst);
        assert!(cache.key(&master, member(1), &[7; 32], at(0)).await.is_err());
        master.down.store(false, Ordering::SeqCst);
        assert!(cache.key(&master, member(1), &[7; 32], at(0)).await.is_ok());
    }

    #[tokio::test]
    async fn the_cache_never_holds_more_than_it_may_and_lets_the_oldest_go() {
        let (cache, master) = (KeyCache::new(), Counting::default());
        for number in 0..300_u16 {
            cache.key(&master, member(number), &[7; 32], at(i64::from(number) / 10)).await.unwrap();
        }
        assert_eq!(cache.slots.lock().unwrap().len(), KeyCache::MOST);
        cache.key(&master, member(299), &[7; 32], at(30)).await.unwrap();
        assert_eq!(master.calls(), 300, "the newest is still there");
        cache.key(&master, member(0), &[7; 32], at(30)).await.unwrap();
        assert_eq!(master.calls(), 301, "the oldest had to go");
    }
}

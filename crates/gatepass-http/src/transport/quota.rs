use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections, in all and by address.
#[derive(Clone)]
pub(super) struct Quota(Arc<Shared>);

struct Shared {
    in_all_max: usize,
    per_address_max: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place that one connection takes; given back when dropped.
pub(super) struct Place {
    quota: Quota,
    address: IpAddr,
}

/// Which bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    InAll,
    PerAddress,
}

impl Full {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::InAll => "connections",
            Self::PerAddress => "connections_per_address",
        }
    }
}

impl Quota {
    pub(super) fn new(in_all_max: usize, per_address_max: usize) -> Self {
        let counts = Mutex::default();
        Self(Arc::new(Shared { in_all_max, per_address_max, counts }))
    }

    pub(super) fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let mut counts = self.counts();
        if counts.in_all >= self.0.in_all_max {
            return Err(Full::InAll);
        }
        let of_address = counts.by_address.entry(address).or_default();
        if *of_address >= self.0.per_address_max {
            return Err(Full::PerAddress);
        }
        *of_address += 1;
        counts.in_all += 1;
        Ok(Place { quota: self.clone(), address })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.quota.counts();
        counts.in_all = counts.in_all.saturating_sub(1);
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let quota = Quota::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let first = quota.take(a).ok().unwrap();
        let _second = quota.take(a).ok().unwrap();
        assert_eq!(quota.take(a).err(), Some(Full::PerAddress));
        let _third = quota.take(b).ok().unwrap();
        assert_eq!(quota.take(b).err(), Some(Full::InAll));
        drop(first);
        assert!(quota.take(a).is_ok());
    }
}

//! Where names lead. When somebody else has chosen the name, to public addresses only, judged after it was resolved and
//! on the very addresses that are connected to, so that it can't answer twice (server-side request forgery).

use std::future::ready;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::vec;

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

/// Whom a name may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeadsTo {
    /// Anybody.
    Anybody,
    /// Public addresses only.
    Public,
}

/// Resolves names by the system, and leaves out where they may not lead.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    to: LeadsTo,
    aside: Arc<AtomicBool>,
}

impl Resolver {
    /// One that looks names up on a thread of their own.
    pub(super) fn new(to: LeadsTo) -> Self {
        Self { to, aside: Arc::new(AtomicBool::new(true)) }
    }

    /// Says whether names are looked up on a thread of their own, or on the one that asks.
    pub(super) fn set_aside(&self, aside: bool) {
        self.aside.store(aside, Ordering::Relaxed);
    }

    fn look_up(&self, name: &Name) -> io::Result<vec::IntoIter<SocketAddr>> {
        let mut addresses: Vec<SocketAddr> = (name.as_str(), 0).to_socket_addrs()?.collect();
        addresses.retain(|address| self.to == LeadsTo::Anybody || is_public(address.ip()));
        if addresses.is_empty() && self.to == LeadsTo::Public {
            return Err(io::Error::other("the name leads to no public address"));
        }
        Ok(addresses.into_iter())
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let this = self.clone();
        if !this.aside.load(Ordering::Relaxed) {
            return Box::pin(ready(this.look_up(&name)));
        }
        Box::pin(
            async move { tokio::task::spawn_blocking(move || this.look_up(&name)).await.map_err(io::Error::other)? },
        )
    }
}

/// Whether an address belongs to the public internet (the registries of special-purpose addresses of RFC 6890).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let inner = |high: u16, low: u16| is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        // Addresses that carry one of version 4: translated by NAT64, and 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => inner(high, low),
        [0x2001, 0x0db8 | 0..=0x01ff, ..] => false,
        // Global unicast is 2000::/3; everything else is local, multicast, mapped or unassigned.
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn private_addresses_are_not_public_however_they_are_written() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_home_leads_nowhere_for_others() {
        let name: Name = "localhost".parse().unwrap();
        for aside in [true, false] {
            let (public, anybody) = (Resolver::new(LeadsTo::Public), Resolver::new(LeadsTo::Anybody));
            public.set_aside(aside);
            anybody.set_aside(aside);
            assert!(public.clone().call(name.clone()).await.is_err());
            assert!(anybody.clone().call(name.clone()).await.unwrap().next().is_some());
        }
    }

    #[test]
    fn a_name_that_is_looked_up_here_is_there_at_once() {
        let resolver = Resolver::new(LeadsTo::Anybody);
        resolver.set_aside(false);
        // Without a runtime there is no other thread.
        let mut found = resolver.clone().call("localhost".parse().unwrap());
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(matches!(found.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    }

    proptest! {
        #[test]
        fn what_is_private_stays_private_inside_version_6(address: u32) {
            let v4 = Ipv4Addr::from(address);
            prop_assert!(!is_public(v4.to_ipv6_mapped().into()));
            let [a, b, c, d] = address.to_be_bytes();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
            prop_assert_eq!(is_public(nat64.into()), is_public(v4.into()));
        }
    }
}

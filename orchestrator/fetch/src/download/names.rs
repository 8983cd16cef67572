//! Host names, looked up once.
//!
//! Hundreds of small files come from one host, and a look-up for each of them is more than some name servers
//! answer: the replies that get lost cost five seconds each.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// A resolver that remembers.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    resolver: DefaultResolver,
    known: Mutex<HashMap<String, Vec<SocketAddr>>>,
}

impl Names {
    /// Forgets everything: an address may have gone.
    pub(super) fn forget(&self) {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let key = format!("{:?}://{:?}", uri.scheme_str(), uri.authority());
        // The lock is held while one thread asks, so that the others need not.
        let mut known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(addresses) = known.get(&key) {
            let mut found = self.empty();
            addresses.iter().for_each(|address| found.push(*address));
            return Ok(found);
        }
        let found = self.inner.resolver.resolve(uri, config, timeout)?;
        known.insert(key, found.to_vec());
        Ok(found)
    }
}

//! What is tried again.

use std::time::Duration;

use oci_client::errors::OciDistributionError;

use crate::error::{digests, status};

/// How long to wait before the next try; each is twice the one before.
const FIRST: Duration = Duration::from_millis(250);

const TRIES: u32 = 5;

/// Does something until it succeeds, fails for good, or has failed too often.
pub(crate) async fn retried<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, OciDistributionError>
where
    F: Future<Output = Result<T, OciDistributionError>>,
{
    let mut pause = FIRST;
    let mut left = TRIES - 1;
    loop {
        match attempt().await {
            Err(error) if left > 0 && may_pass(&error) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
                left -= 1;
            }
            other => return other,
        }
    }
}

/// Whether the same request may succeed later: the connection was refused, cut or silent, or the server has a
/// trouble of its own, or too much to do.
fn may_pass(error: &OciDistributionError) -> bool {
    if digests(error).is_some() {
        return false;
    }
    match status(error) {
        Some(status) => status >= 500 || [408, 429].contains(&status),
        None => matches!(error, OciDistributionError::RequestError(_) | OciDistributionError::IoError(_)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn failing(code: u16) -> (bool, u32) {
        let tries = Cell::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let result = runtime.block_on(retried(|| async {
            tries.set(tries.get() + 1);
            if tries.get() == 3 {
                return Ok(());
            }
            Err(OciDistributionError::ServerError { code, url: String::new(), message: String::new() })
        }));
        (result.is_ok(), tries.get())
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        assert_eq!(failing(500), (true, 3));
        assert_eq!(failing(429), (true, 3));
        assert_eq!(failing(404), (false, 1));
        assert_eq!(failing(401), (false, 1));
    }
}

//! A store whose operations are measured and show in traces.

use super::{Flush, Key, Object, Page, PutError, Store, StoreError, Version};
use crate::metrics;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::ops::Range;
use std::time::Instant;
use tracing::{Instrument, Span, debug_span};

/// Measures another store.
#[derive(Debug)]
pub struct Metered<S>(pub S);

/// Whether an answer is a failure of the store, and not of what was demanded of it.
trait Failure {
    fn is_failure(&self) -> bool;
}

impl Failure for StoreError {
    fn is_failure(&self) -> bool {
        true
    }
}

impl Failure for PutError {
    fn is_failure(&self) -> bool {
        matches!(self, PutError::Store(_))
    }
}

fn measured<'a, T, E: Failure>(
    operation: &'static str,
    span: Span,
    work: impl Future<Output = Result<T, E>> + Send + 'a,
) -> BoxFuture<'a, Result<T, E>> {
    async move {
        let begun = Instant::now();
        let done = work.await;
        ::metrics::histogram!(metrics::STORE, "operation" => operation).record(begun.elapsed());
        if done.as_ref().is_err_and(E::is_failure) {
            ::metrics::counter!(metrics::STORE_FAILURES, "operation" => operation).increment(1);
        }
        done
    }
    .instrument(span)
    .boxed()
}

impl<S: Store> Store for Metered<S> {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        measured("get", debug_span!("get_object", %key), self.0.get(key))
    }

    fn get_range<'a>(&'a self, key: &'a Key, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        measured("get", debug_span!("get_object", %key), self.0.get_range(key, range))
    }

    fn put_if_absent<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        let span = debug_span!("put_object", %key, bytes = bytes.len());
        measured("put", span, self.0.put_if_absent(key, bytes, flush))
    }

    fn put_if_match<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        version: &'a Version,
        flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        let span = debug_span!("put_object", %key, bytes = bytes.len());
        measured("put", span, self.0.put_if_match(key, bytes, version, flush))
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        measured("flush", debug_span!("flush_store"), self.0.flush())
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        measured("delete", debug_span!("delete_object", %key), self.0.delete(key))
    }

    fn delete_if_match<'a>(&'a self, key: &'a Key, version: &'a Version) -> BoxFuture<'a, Result<(), PutError>> {
        measured("delete", debug_span!("delete_object", %key), self.0.delete_if_match(key, version))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        measured("list", debug_span!("list_objects", prefix), self.0.list(prefix, after, limit))
    }
}

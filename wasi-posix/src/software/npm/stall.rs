//! A connection that does not wait for ever for its next byte, however long the whole of what it brings may take: the HTTP
//! client bounds a body's time as a whole only, and a large package over a slow line is no fault.

use std::time::Duration;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Error, Timeout};

/// Gives each wait for input this time at most. The last of a chain of connectors.
#[derive(Debug)]
pub(super) struct Stall(pub(super) Duration);

/// A connection whose waits are bounded.
#[derive(Debug)]
pub(super) struct Bounded<T> {
    inner: T,
    most: Duration,
}

impl<In: Transport> Connector<In> for Stall {
    type Out = Bounded<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Bounded<In>>, Error> {
        Ok(chained.map(|inner| Bounded { inner, most: self.0 }))
    }
}

impl<T: Transport> Transport for Bounded<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let stalls = NextTimeout { after: self.most.into(), reason: Timeout::RecvBody };
        self.inner.await_input(if *timeout.after > self.most { stalls } else { timeout })
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

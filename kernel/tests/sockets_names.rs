//! Names of hosts: /etc/hosts, the session's own, and the way out.

#[cfg(test)]
mod common;

use common::network::inet;
use common::{Machine, Proc, template};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use warren_kernel::policy::{Effect, Policy, Rule};
use warren_kernel::socket::Host;
use warren_kernel::socket::egress::{Egress, Outbound, Unreached};
use warren_kernel::{Errno, Kernel};

/// Knows one name, and notes what it was asked.
#[derive(Default)]
struct Outside {
    asked: Mutex<Vec<String>>,
}

impl Egress for Outside {
    fn resolve(&self, name: &str) -> Result<Arc<[IpAddr]>, Unreached> {
        self.asked.lock().expect("no test panics with it").push(name.to_owned());
        match name {
            "many.example" => Ok((0..100).map(|at| IpAddr::from([10, 0, 0, at])).collect()),
            "known.example" => Ok(["::ffff:9.9.9.9", "2001:db8::1"].iter().filter_map(|ip| ip.parse().ok()).collect()),
            _ => Err(Errno::ENOENT.into()),
        }
    }

    fn carry(&self, outbound: Outbound) {
        outbound.end.failed(Errno::EHOSTUNREACH);
    }
}

fn machine(egress: Option<Arc<dyn Egress>>) -> Machine {
    let mut policy = Policy::session();
    policy.connect.rules.push(Rule { effect: Effect::Allow, pattern: "*.example:*".to_owned() });
    let template = template(Default::default(), policy);
    let machine = Machine::behind(template.clone(), egress, |world| Kernel::new(world, template));
    machine.root().put("/etc/hosts", b"127.0.0.1 localhost\n127.0.0.1 inside.example\n10.1.2.3 db\n::1 six\n");
    machine
}

fn resolve(process: &Proc<'_>, name: &str) -> Result<Vec<String>, Errno> {
    let host = Host::parse(name).expect("a host");
    let found = process.call(|kernel, call| kernel.resolve(call, &host, "443"))?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[test]
fn a_name_is_looked_up_inside_before_outside() {
    let outside = Arc::new(Outside::default());
    let machine = machine(Some(outside.clone()));
    let process = machine.agent();
    let one = |address: &str| Ok(vec![address.to_owned()]);
    assert_eq!(resolve(&process, "LOCALHOST."), one("127.0.0.1"));
    assert_eq!(resolve(&process, "app.localhost"), Ok(vec!["127.0.0.1".to_owned(), "::1".to_owned()]));
    assert_eq!(resolve(&process, "db"), one("10.1.2.3"), "no rule is asked: it is the session's own file");
    assert_eq!(resolve(&process, "192.0.2.1"), one("192.0.2.1"));
    assert!(outside.asked.lock().unwrap().is_empty());
    assert_eq!(resolve(&process, "known.example"), Ok(vec!["9.9.9.9".to_owned(), "2001:db8::1".to_owned()]));
    assert_eq!(resolve(&process, "many.example").map(|found| found.len()), Ok(32));
    assert_eq!(resolve(&process, "none.example"), Err(Errno::ENOENT));
    assert_eq!(resolve(&process, "known.elsewhere"), Err(Errno::EACCES));
    assert_eq!(*outside.asked.lock().unwrap(), ["known.example", "many.example", "none.example"]);
}

#[test]
fn without_a_way_out_nobody_can_be_asked() {
    let machine = machine(None);
    let process = machine.agent();
    assert_eq!(resolve(&process, "known.example"), Err(Errno::EHOSTUNREACH));
    assert_eq!(resolve(&process, "known.elsewhere"), Err(Errno::EACCES));
    assert_eq!(process.connect(process.tcp(), &inet("known.example", 80)), Err(Errno::ENETUNREACH));
}

#[test]
fn a_name_for_the_inside_is_asked_by_its_address() {
    let machine = machine(None);
    let process = machine.agent();
    let (_listener, at) = process.listener(3);
    let warren_kernel::socket::Address::Inet(_, port) = at else { panic!("it is one") };
    assert_eq!(process.connect(process.tcp(), &inet("inside.example", port)), Ok(()));
    assert_eq!(process.connect(process.tcp(), &inet("six", port)), Err(Errno::EAFNOSUPPORT));
    assert_eq!(process.connect(process.tcp(), &inet("db", port)), Err(Errno::EACCES), "an address outside");
    assert_eq!(process.bind(process.tcp(), &inet("localhost", 0)), Ok(()));
    assert_eq!(process.bind(process.tcp(), &inet("db", 0)), Err(Errno::EADDRNOTAVAIL));
}

#[test]
fn a_lookup_ends_with_its_process() {
    let machine = machine(Some(Arc::new(Outside::default())));
    let process = machine.agent();
    *machine.driver.hold.lock().unwrap() = true;
    let mut lookup = common::Pending::new(machine.session.call(process.pid, |kernel, call| {
        let host = Host::parse("known.example").expect("a host");
        kernel.resolve(call, &host, "*")
    }));
    assert!(lookup.poll().is_none());
    process.now(|kernel, call| kernel.signal_process(call.pid, warren_kernel::signal::Signal::KILL));
    assert!(matches!(lookup.poll(), Some(Err(warren_kernel::CallError::Doomed(_)))));
}

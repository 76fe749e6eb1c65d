use super::*;
use crate::durability::suite;

struct Memory(Option<Volatile>);

impl suite::Place for Memory {
    fn open(&mut self) -> Arc<dyn Durability> {
        let now = self.0.take().unwrap_or_default();
        self.0 = Some(now.restart());
        Arc::new(now)
    }
}

#[test]
fn memory_does_what_every_durability_must() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(suite::run(|| Memory(None)));
}

#[test]
fn a_later_process_fences_an_earlier_one() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let first = Volatile::new();
        let second = first.restart();
        let tenant = TenantId::embedded();
        let id = SessionId::generate(&warren_wasi_posix::system::SystemHost);
        let spec = Arc::new(SessionSpec::default());
        let new = NewSession { tenant: tenant.clone(), id, name: None, spec, created: Timestamp(0), forked_from: None };
        let old = first.create(new).await.unwrap();
        let now = second.claim(&tenant, id).await.unwrap();
        assert!(matches!(old.claim.append(Batch::default(), Level::Buffered).await, Err(DurabilityError::Fenced(_))));
        now.claim.append(Batch::default(), Level::Buffered).await.unwrap();
    });
}

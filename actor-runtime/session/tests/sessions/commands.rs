//! Commands: start, output, input, end.

use crate::world::{World, events, names, request, within};
use bytes::Bytes;
use warren_kernel::process::ExitStatus;
use warren_session::event::{End, What};
use warren_session::spec::Tier;

#[test]
fn a_command_runs_and_its_end_is_told_with_its_output() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let finished = session.run(request(&["both"]), 1024).await.unwrap();
        assert_eq!((&finished.stdout[..], &finished.stderr[..]), (&b"hi\n"[..], &b"oh\n"[..]));
        assert!(!finished.cut);
        let (end, position) = finished.info.ended.unwrap();
        assert_eq!(end, End::Status(ExitStatus::Exited(0)));
        let log = events(world.log(session.id()).await);
        assert_eq!(log.last().unwrap().position, position);
        assert_eq!(names(&log), ["epoch_began", "created", "lifecycle", "started", "output", "output", "exited"]);
        for (event, seq) in log.iter().zip(1..) {
            assert_eq!(event.position.seq, seq);
        }
        let Bytes { .. } = finished.stdout;
        assert!(matches!(log[3].what, What::Started { .. }));
    });
}

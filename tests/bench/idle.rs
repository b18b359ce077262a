//! `idle`: what the gateway costs when nothing happens.

use crate::load::resident_mb;
use crate::report::{Goal, Report};
use e2e::gateway::{Gateway, Site};
use e2e::process::{free_port, workspace_program};

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let estate = include_str!("../../config/estates/demo.toml").to_owned();
    let gateway = Gateway::start(&Site {
        estate,
        embedded: Some(free_port()),
        ..Site::default()
    })
    .await;
    report
        .add("idle", "resident_mb", resident_mb(gateway.pid()), "MB", None)
        .goal(Goal::AtMost(40.0));
    report
        .add("idle", "binary_stripped_mb", stripped_mb(), "MB", None)
        .goal(Goal::AtMost(25.0));
}

/// Size of the program as `make dist` ships it: without symbols and line tables.
fn stripped_mb() -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stripped = folder.path().join("linli");
    let mut strip = std::process::Command::new("strip");
    let done = strip
        .arg("-o")
        .arg(&stripped)
        .arg(workspace_program("linli"))
        .status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "strip (Debian: binutils) is needed to weigh the program"
    );
    #[allow(clippy::cast_precision_loss, reason = "a size")]
    let size = std::fs::metadata(stripped).map_or(0, |m| m.len()) as f64;
    size / 1e6
}

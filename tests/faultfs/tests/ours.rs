//! The crate is for tests alone: the program is not linked with it.

use std::process::Command;

#[test]
fn the_program_does_not_depend_on_a_failing_disk() {
    let cargo = std::env::var("CARGO").unwrap();
    let listed = Command::new(cargo)
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal,build",
            "-p",
            "linli",
            "--prefix",
            "none",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let tree = String::from_utf8_lossy(&listed.stdout);
    assert!(tree.contains("linli-ledger"), "{tree}");
    assert!(!tree.contains("faultfs"), "{tree}");
}

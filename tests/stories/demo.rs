//! `linli demo` in one command: it ends by itself, with an order closed by its sensors.

use e2e::process::workspace_program;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_closes_an_order_within_a_minute() {
    let output = Command::new(workspace_program("linli"))
        .args(["demo", "--for", "60s", "--json"])
        .output()
        .await
        .expect("the program");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let summary: serde_json::Value = serde_json::from_str(&text).expect("one JSON value on standard output");
    let figure = |name: &str| summary[name].as_u64().unwrap_or_default();
    assert!(figure("readings") >= 200, "{summary}");
    assert!(figure("rejected") >= 1, "{summary}");
    assert!(figure("alarms_raised") >= 1, "{summary}");
    assert!(figure("orders_opened") >= 1, "{summary}");
    assert!(figure("orders_closed") >= 1, "{summary}");
    println!("{summary}");
}

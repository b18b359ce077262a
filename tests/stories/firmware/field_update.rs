//! New firmware from the command line to the node: signed, sent beside the polling, believed or not, and written down.

use super::{UNIT, asset, estate, rule};
use e2e::gateway::{Gateway, Site};
use e2e::process::{Running, free_port, repository, workspace_program};
use e2e::qemu::{Build, Node, Wire};
use linli_ledger::{Page, Reader};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::process::Command;

fn leak(unit: u8) -> String {
    estate("leak", &asset("pipe_zone", ""), &rule("leak.wet", "repair"))
        .replace(&format!("unit = {UNIT}"), &format!("unit = {unit}"))
}

/// A street of one leak node on Modbus TCP.
async fn street(folder: &Path) -> (Running, String) {
    let config = folder.join("street.toml");
    std::fs::write(&config, "[[nodes]]\nunit = 3\nkind = \"leak\"\n").unwrap();
    let port = free_port();
    let mut command = Command::new(workspace_program("node-sim"));
    command
        .arg("--tcp")
        .arg(format!("127.0.0.1:{port}"))
        .arg("--config")
        .arg(&config);
    let bus = format!(
        "[[modbus]]\nname = \"line\"\ntcp = \"127.0.0.1:{port}\"\nperiod = \"200ms\"\nwrites = true\n"
    );
    (Running::start("node-sim", &mut command), bus)
}

/// Signs an image with the test key; what was said.
async fn sign(
    gateway: &Gateway,
    folder: &Path,
    board: &str,
    version: &str,
    key: &Path,
) -> (PathBuf, String, i32) {
    let (image, package) = (
        folder.join("image"),
        folder.join(format!("{board}-{version}.lnfw")),
    );
    let bytes: Vec<u8> = (0..6_000_u32).map(|at| (at * 7) as u8).collect();
    std::fs::write(&image, bytes).unwrap();
    let path = |path: &Path| path.display().to_string();
    let (said, code) = gateway
        .cli(&[
            "device",
            "sign",
            &path(&image),
            "--kind",
            "leak",
            "--board",
            board,
            "--version",
            version,
            "--key",
            &path(key),
            "--output",
            &path(&package),
        ])
        .await;
    (package, said, code)
}

fn test_key() -> PathBuf {
    repository().join("firmware/update/test-signing-key.pem")
}

/// What the audit says of firmware, oldest first.
fn audit(data: &Path) -> Vec<(String, String)> {
    let page = Page {
        before: None,
        limit: 50,
    };
    let mut rows: Vec<(String, String)> = Reader::open(data)
        .unwrap()
        .audit(page)
        .unwrap()
        .into_iter()
        .filter(|entry| entry.row.action.starts_with("device.update"))
        .map(|entry| (entry.row.action, entry.row.detail))
        .collect();
    rows.reverse();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_updated_beside_its_polling_and_the_audit_tells_who_and_what() {
    let folder = tempfile::tempdir().unwrap();
    let (_street, bus) = street(folder.path()).await;
    let mut gateway = Gateway::start(&Site {
        estate: leak(3),
        modbus: bus,
        ..Site::default()
    })
    .await;
    gateway.point_is("node/leak.wet", json!(false)).await;

    let (package, said, code) = sign(&gateway, folder.path(), "node-sim", "1.2", &test_key()).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("firmware 1.2 of a leak node, 6128 bytes"), "{said}");
    let package = package.display().to_string();
    let (said, code) = gateway
        .cli(&["--json", "device", "update", "node", &package])
        .await;
    let update: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &update["state"]), (0, &json!("updated")), "{said}");
    assert_eq!(
        (&update["done"], &update["total"]),
        (&json!(48), &json!(48)),
        "{said}"
    );
    gateway.point_is("node/leak.wet", json!(false)).await;
    // Done is done: the node says what it runs, and nothing is sent again.
    let (said, code) = gateway.cli(&["device", "update", "node", &package]).await;
    assert_eq!((said.as_str(), code), ("node runs firmware 1.2\n", 0));

    let (older, _, _) = sign(&gateway, folder.path(), "node-sim", "1.1", &test_key()).await;
    let older = older.display().to_string();
    let (said, code) = gateway.cli(&["device", "update", "node", &older]).await;
    assert!(code == 1 && said.contains("[not_newer]"), "{said}");
    let foreign = folder.path().join("foreign.pem");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out"])
        .arg(&foreign)
        .status()
        .await;
    assert!(made.unwrap().success());
    let (forged, said, code) = sign(&gateway, folder.path(), "node-sim", "2.0", &foreign).await;
    assert_eq!(code, 0, "{said}");
    let forged = forged.display().to_string();
    let (said, code) = gateway
        .cli(&["--lang", "zh-CN", "device", "update", "node", &forged])
        .await;
    assert!(
        code == 1 && said.contains("签名与节点信任的密钥不符 [wrong_signature]"),
        "{said}"
    );

    let data = gateway.data();
    assert_eq!(gateway.terminate().await, Some(0));
    let said = audit(&data);
    let wanted = [
        (
            "device.update",
            "leak 1.2 for node-sim (bus line, unit 3, 48 blocks)",
        ),
        ("device.updated", "leak 1.2 for node-sim: updated"),
        (
            "device.update",
            "leak 1.2 for node-sim (bus line, unit 3, 48 blocks)",
        ),
        ("device.updated", "leak 1.2 for node-sim: updated"),
        (
            "device.update",
            "leak 1.1 for node-sim (bus line, unit 3, 48 blocks)",
        ),
        ("device.updated", "leak 1.1 for node-sim: failed, not_newer"),
        (
            "device.update",
            "leak 2.0 for node-sim (bus line, unit 3, 48 blocks)",
        ),
        ("device.updated", "leak 2.0 for node-sim: failed, wrong_signature"),
    ]
    .map(|(action, detail)| (action.to_owned(), detail.to_owned()));
    assert_eq!(said, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_update_for_this_device_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (_street, bus) = street(folder.path()).await;
    let mut gateway = Gateway::start(&Site {
        estate: leak(3),
        modbus: bus.replace("writes = true\n", ""),
        ..Site::default()
    })
    .await;
    let (package, _, _) = sign(&gateway, folder.path(), "node-sim", "1.2", &test_key()).await;
    let damaged = folder.path().join("damaged");
    let mut bytes = std::fs::read(&package).unwrap();
    bytes[3_000] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    for (device, file, word) in [
        ("node", &package, "bus_read_only"),
        ("node", &damaged, "not_a_package"),
        ("nobody", &package, "not_found"),
    ] {
        let file = file.display().to_string();
        let (said, code) = gateway.cli(&["device", "update", device, &file]).await;
        assert!(code == 1 && said.contains(&format!("[{word}]")), "{word}: {said}");
    }
    let data = gateway.data();
    assert_eq!(gateway.terminate().await, Some(0));
    assert_eq!(audit(&data), [], "nothing was begun");
}

/// The emulated board receives and checks; it has no boot loader, and says that it cannot restart into what it got.
#[tokio::test(flavor = "multi_thread")]
async fn the_real_firmware_takes_a_package_from_the_gateway_and_goes_on_measuring() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(Build::whole("leak"), Wire::Tcp).await;
    node.temperature(18).await;
    let mut gateway = Gateway::start(&Site {
        estate: leak(UNIT),
        modbus: node.bus("line") + "writes = true\n",
        ..Site::default()
    })
    .await;
    gateway.point_is("node/leak.wet", json!(false)).await;
    let (package, said, _) = sign(&gateway, folder.path(), "lm3s6965", "1.2", &test_key()).await;
    let package = package.display().to_string();
    let (answer, code) = gateway
        .cli(&["--json", "device", "update", "node", &package])
        .await;
    assert_eq!(code, 1, "{said}{answer}");
    let text = answer
        .lines()
        .take_while(|line| !line.starts_with("error"))
        .collect::<Vec<_>>();
    let update: Value = serde_json::from_str(&text.join("\n")).unwrap();
    assert_eq!(
        (&update["reason"], &update["done"]),
        (&json!("storage_failed"), &json!(48)),
        "every block was there and the signature was good: {answer}"
    );
    node.pin(e2e::qemu::Pin::Contact, false).await;
    gateway.point_is("node/leak.wet", json!(true)).await;
    assert_eq!(gateway.terminate().await, Some(0));
}

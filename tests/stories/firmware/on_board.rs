//! What only the processor itself can show: how it receives new firmware, keeps its settings over a power cut, how deep its
//! stack grows and how fast it answers.

use super::UNIT;
use base64::Engine;
use e2e::process::repository;
use e2e::qemu::{Build, Master, Node, Wire};
use linli_registers::meaning::{command, refusal, update};
use linli_registers::{BLOCK_BYTES, Kind, address};
use linli_update::{Header, crc32, package};
use ring::signature::Ed25519KeyPair;
use sha2::Digest;
use std::time::{Duration, Instant};

/// What the budget of the images sets aside, bytes; see `firmware/boards/budget.py`.
const STACK: usize = 6 * 1024;

/// The blocks of a package for the emulated board, signed with the test key.
fn firmware(kind: Kind, version: u16, image: &[u8]) -> Vec<Vec<u8>> {
    let pem = std::fs::read_to_string(repository().join("firmware/update/test-signing-key.pem")).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let pkcs8 = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).unwrap();
    let header = Header {
        kind: kind as u8,
        version,
        length: u32::try_from(image.len()).unwrap(),
        crc32: crc32(0, image),
        board: *b"lm3s6965",
    }
    .to_bytes();
    let sha512: [u8; 64] = sha2::Sha512::digest(image).into();
    let signature = key.sign(&package::signed_bytes(&header, &sha512));
    let mut bytes = [&header, signature.as_ref(), image].concat();
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0xFF);
    bytes.chunks(BLOCK_BYTES).map(<[u8]>::to_vec).collect()
}

async fn send(master: &mut Master, number: u16, block: &[u8]) -> Result<Vec<u8>, String> {
    let mut request = vec![UNIT, 16, 1, 1, 0, 65, 130];
    request.extend(number.to_be_bytes());
    request.extend(block);
    master.ask(&request).await
}

/// Sends the blocks the node wants, up to `end`.
async fn transfer(master: &mut Master, blocks: &[Vec<u8>], end: usize) {
    assert_eq!(send(master, 0, &blocks[0]).await, Ok(vec![UNIT, 16, 1, 1, 0, 65]));
    loop {
        let next = master.read(UNIT, 4, address::UPDATE_NEXT_BLOCK).await;
        let Some(block) = blocks[..end].get(usize::from(next)) else {
            return;
        };
        assert_eq!(
            send(master, next, block).await,
            Ok(vec![UNIT, 16, 1, 1, 0, 65]),
            "{next}"
        );
    }
}

/// Has it checked; the state and the reason after.
async fn check(master: &mut Master) -> (u16, u16) {
    master.write(UNIT, address::UPDATE_CONTROL, command::CHECK).await;
    let started = Instant::now();
    loop {
        match master.read(UNIT, 4, address::UPDATE_STATE).await {
            update::CHECKING if started.elapsed() < e2e::wait::PATIENCE => {}
            state => return (state, master.read(UNIT, 4, address::UPDATE_REFUSAL).await),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_firmware_is_received_over_a_power_cut_and_believed_only_when_it_is_signed() {
    let mut node = Node::start(Build::whole("leak"), Wire::Tcp).await;
    let mut master = node.master().await;
    let image: Vec<u8> = (0..6_000_u32).map(|at| (at * 7) as u8).collect();
    let blocks = firmware(Kind::Leak, 0x0100, &image);

    let foreign = firmware(Kind::Bin, 0x0100, &image);
    assert_eq!(
        send(&mut master, 0, &foreign[0]).await,
        Ok(vec![UNIT, 0x90, 3]),
        "a bin's firmware"
    );
    assert_eq!(master.read(UNIT, 4, address::UPDATE_REFUSAL).await, refusal::KIND);
    let old = firmware(Kind::Leak, 0x0000, &image);
    assert_eq!(
        send(&mut master, 0, &old[0]).await,
        Ok(vec![UNIT, 0x90, 3]),
        "an old one"
    );

    transfer(&mut master, &blocks, 30).await;
    node.restart().await;
    let mut master = node.master().await;
    let next = master.read(UNIT, 4, address::UPDATE_NEXT_BLOCK).await;
    assert!(
        (22..=30).contains(&next),
        "it goes on where a page was complete: {next}"
    );
    transfer(&mut master, &blocks, blocks.len()).await;
    assert_eq!(check(&mut master).await, (update::READY, refusal::NONE));

    let depth = node.deepest_stack().await;
    assert!((1_000..=STACK).contains(&depth), "{depth} bytes of stack");
    println!("deepest stack, a signature checked: {depth} bytes of {STACK}");

    master.write(UNIT, address::UPDATE_CONTROL, command::ABORT).await;
    let mut forged = blocks.clone();
    forged[20][3] ^= 1;
    let mut header = Header::parse(forged[0].first_chunk().unwrap()).unwrap();
    let bytes: Vec<u8> = forged[1..].concat();
    header.crc32 = crc32(0, &bytes[..image.len()]);
    forged[0][..64].copy_from_slice(&header.to_bytes());
    transfer(&mut master, &forged, forged.len()).await;
    assert_eq!(check(&mut master).await, (update::REFUSED, refusal::SIGNATURE));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_address_outlive_a_power_cut_and_a_lost_node_is_found_again() {
    let mut node = Node::start(Build::whole("leak"), Wire::Tcp).await;
    let mut master = node.master().await;
    master.write(UNIT, address::DEBOUNCE_MS, 700).await;
    master.write(UNIT, address::UNIT_ID, 42).await;
    // Asked once, the new address is proved and kept; asked twice, that is done.
    for _ in 0..2 {
        assert_eq!(master.read(42, 3, address::DEBOUNCE_MS).await, 700);
    }
    node.restart().await;
    let mut master = node.master().await;
    assert_eq!(master.read(42, 3, address::DEBOUNCE_MS).await, 700);
    node.set_rescue(true);
    node.restart().await;
    let mut master = node.master().await;
    assert_eq!(
        master.read(247, 3, address::UNIT_ID).await,
        42,
        "the jumper finds it"
    );
}

/// Prints what a poll takes. Nothing is asserted about time: the host is shared.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_polls_are_answered() {
    let node = Node::start(Build::whole("parking"), Wire::Tcp).await;
    let mut master = node.master().await;
    let mut times = Vec::with_capacity(1_000);
    for _ in 0..1_000 {
        let asked = Instant::now();
        let answer = master.ask(&[UNIT, 4, 0, 0x20, 0, 5]).await.unwrap();
        assert_eq!((answer.len(), answer[2]), (13, 10));
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| -> Duration { times[times.len() * share / 100] };
    println!(
        "1000 polls of the emulated node: median {:?}, p99 {:?}",
        at(50),
        at(99)
    );
}

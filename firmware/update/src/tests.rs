//! Stories of a transfer: signed with another implementation of Ed25519 and SHA-512 than the node verifies with,
//! into a flash whose power may be cut after any byte.
#![allow(clippy::expect_used, reason = "these are tests")]

use embedded_storage::nor_flash::ReadNorFlash;
use linli_registers::BLOCK_BYTES;
use linli_registers::meaning::{command, refusal, update};
use proptest::prelude::*;
use ring::signature::Ed25519KeyPair;
use sha2::Digest;

use crate::package::{SIGNED_BYTES, signed_bytes};
use crate::ramflash::RamFlash;
use crate::{Area, Denied, Firmware, Header, Receiver, TEST_PUBLIC_KEY, crc32};

type Flash = RamFlash<512, 8>;

const RUNNING: Firmware = Firmware {
    kind: 3,
    version: 0x0102,
    board: *b"testbrd\0",
    key: TEST_PUBLIC_KEY,
};
const JOURNAL: u32 = 1_024;
const SLOT: core::ops::Range<u32> = 2_048..8_192;

fn node(flash: &mut Flash) -> Receiver {
    let area = Area {
        journal: JOURNAL,
        slot: SLOT,
    };
    let mut receiver = Receiver::new(RUNNING, Some(area));
    receiver.resume(flash);
    receiver
}

fn test_key() -> Ed25519KeyPair {
    let pem = include_str!("../test-signing-key.pem");
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&base64_bytes(&base64)).expect("the test key")
}

/// Enough of base64 for one key.
fn base64_bytes(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|c| DIGITS.iter().position(|d| *d == c));
    let (mut bytes, mut bits, mut held) = (vec![], 0_u32, 0);
    for digit in digits {
        bits = bits << 6 | digit as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

fn image(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 256) as u8).collect()
}

/// The blocks of a package, signed.
fn package(header: Header, image: &[u8], key: &Ed25519KeyPair) -> Vec<[u8; BLOCK_BYTES]> {
    let sha512: [u8; 64] = sha2::Sha512::digest(image).into();
    let message: [u8; SIGNED_BYTES] = signed_bytes(&header.to_bytes(), &sha512);
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend(key.sign(&message).as_ref());
    bytes.extend(image);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0xFF);
    bytes.as_chunks().0.to_vec()
}

fn header(version: u16, image: &[u8]) -> Header {
    Header {
        kind: RUNNING.kind,
        version,
        length: image.len() as u32,
        crc32: crc32(0, image),
        board: RUNNING.board,
    }
}

fn good(length: usize) -> Vec<[u8; BLOCK_BYTES]> {
    let image = image(length);
    package(header(0x0103, &image), &image, &test_key())
}

/// Sends what the node wants until it wants nothing more, as a master does.
fn send(node: &mut Receiver, flash: &mut Flash, blocks: &[[u8; BLOCK_BYTES]]) -> Result<(), Denied> {
    node.block(0, &blocks[0], flash)?;
    while let Some(block) = blocks.get(usize::from(node.status().next_block)) {
        node.block(node.status().next_block, block, flash)?;
    }
    Ok(())
}

/// Sends it and has it checked.
fn transfer(node: &mut Receiver, flash: &mut Flash, blocks: &[[u8; BLOCK_BYTES]]) -> Result<(), Denied> {
    send(node, flash, blocks)?;
    node.command(command::CHECK, flash)?;
    while node.status().state == update::CHECKING {
        node.work(flash);
    }
    Ok(())
}

#[test]
fn a_good_package_arrives_and_the_slot_holds_the_bare_image() {
    for length in [1, 127, 128, 129, 512, 1_500, 6_144] {
        let mut flash = Flash::new(8_192);
        let mut node = node(&mut flash);
        assert_eq!(transfer(&mut node, &mut flash, &good(length)), Ok(()));
        assert_eq!(node.status().state, update::READY, "{length} bytes: {node:?}");
        let mut slot = vec![0; length];
        flash.read(SLOT.start, &mut slot).expect("readable");
        assert_eq!(slot, image(length));
        assert_eq!(node.command(command::ACTIVATE, &mut flash), Ok(()));
        assert!(node.is_activating());
        assert_eq!(
            node.command(command::ABORT, &mut flash),
            Err(Denied::Busy),
            "too late"
        );
    }
}

#[test]
fn what_is_not_for_this_node_is_refused_at_its_header_and_leaves_a_reason() {
    let image = image(300);
    let fits = header(0x0103, &image);
    let cases = [
        (Header { kind: 1, ..fits }, refusal::KIND),
        (
            Header {
                board: *b"other\0\0\0",
                ..fits
            },
            refusal::BOARD,
        ),
        (
            Header {
                version: 0x0102,
                ..fits
            },
            refusal::VERSION,
        ),
        (
            Header {
                version: 0x0001,
                ..fits
            },
            refusal::VERSION,
        ),
        (Header { length: 0, ..fits }, refusal::LENGTH),
        (
            Header {
                length: 6_145,
                ..fits
            },
            refusal::LENGTH,
        ),
    ];
    for (header, reason) in cases {
        let mut flash = Flash::new(8_192);
        let mut node = node(&mut flash);
        let blocks = package(header, &image, &test_key());
        assert_eq!(node.block(0, &blocks[0], &mut flash), Err(Denied::Refused));
        assert_eq!(
            (node.status().state, node.status().refusal),
            (update::REFUSED, reason)
        );
        assert_eq!(flash.bytes, Flash::new(8_192).bytes, "nothing was written");
    }
    let mut flash = Flash::new(8_192);
    let mut node = node(&mut flash);
    assert_eq!(node.block(0, &[0; BLOCK_BYTES], &mut flash), Err(Denied::Refused));
    assert_eq!(node.status().refusal, refusal::FORMAT);
}

#[test]
fn a_foreign_key_or_a_changed_byte_is_refused_after_the_transfer() {
    let image = image(700);
    let foreign = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).expect("a key");
    let forged = package(header(0x0103, &image), &image, &foreign);
    let mut header_changed = good(700);
    header_changed[0][7] = 9;
    let mut image_changed = good(700);
    image_changed[3][5] ^= 1;
    let mut both_changed = image_changed.clone();
    let mut flipped = image.clone();
    flipped[2 * BLOCK_BYTES + 5] ^= 1;
    both_changed[0][..64].copy_from_slice(&header(0x0103, &flipped).to_bytes());
    for (blocks, reason) in [
        (forged, refusal::SIGNATURE),
        (header_changed, refusal::SIGNATURE),
        (image_changed, refusal::CHECKSUM),
        (both_changed, refusal::SIGNATURE),
    ] {
        let mut flash = Flash::new(8_192);
        let mut node_ = node(&mut flash);
        assert_eq!(transfer(&mut node_, &mut flash, &blocks), Ok(()));
        assert_eq!(
            (node_.status().state, node_.status().refusal),
            (update::REFUSED, reason)
        );
        assert_eq!(node_.command(command::ACTIVATE, &mut flash), Err(Denied::Refused));
        assert_eq!(node(&mut flash).status().state, update::IDLE, "nor is it resumed");
        assert_eq!(
            transfer(&mut node_, &mut flash, &good(700)),
            Ok(()),
            "a good one may follow"
        );
        assert_eq!(node_.status().state, update::READY);
    }
}

#[test]
fn blocks_come_again_and_never_too_early() {
    let (mut flash, blocks) = (Flash::new(8_192), good(700));
    let mut node = node(&mut flash);
    assert_eq!(
        node.block(1, &blocks[1], &mut flash),
        Err(Denied::Refused),
        "nothing was announced"
    );
    assert_eq!(node.block(0, &blocks[0], &mut flash), Ok(()));
    assert_eq!(
        node.block(2, &blocks[2], &mut flash),
        Err(Denied::Refused),
        "1 is missing"
    );
    assert_eq!(
        node.command(command::CHECK, &mut flash),
        Err(Denied::Refused),
        "incomplete"
    );
    assert_eq!(node.block(1, &blocks[1], &mut flash), Ok(()));
    assert_eq!(
        node.block(1, &blocks[2], &mut flash),
        Ok(()),
        "the answer was lost; it is there already"
    );
    assert_eq!(
        node.block(0, &blocks[0], &mut flash),
        Ok(()),
        "announced again: it goes on"
    );
    assert_eq!(node.status().next_block, 2);
    let other = package(header(0x0104, &image(300)), &image(300), &test_key());
    assert_eq!(
        node.block(0, &other[0], &mut flash),
        Ok(()),
        "another firmware starts over"
    );
    assert_eq!((node.status().next_block, node.status().version), (1, 0x0104));
    assert_eq!(node.command(command::ABORT, &mut flash), Ok(()));
    assert_eq!(node.status().state, update::IDLE);
}

#[test]
fn while_it_is_checked_everything_but_giving_up_is_busy() {
    let (mut flash, blocks) = (Flash::new(8_192), good(3_000));
    let mut node = node(&mut flash);
    node.block(0, &blocks[0], &mut flash).expect("accepted");
    for (number, block) in (0..).zip(&blocks) {
        node.block(number, block, &mut flash).expect("accepted");
    }
    node.command(command::CHECK, &mut flash).expect("complete");
    node.work(&mut flash);
    assert_eq!(node.status().state, update::CHECKING);
    assert_eq!(node.block(0, &blocks[0], &mut flash), Err(Denied::Busy));
    assert_eq!(node.command(command::CHECK, &mut flash), Err(Denied::Busy));
    assert_eq!(node.command(command::ABORT, &mut flash), Ok(()));
}

#[test]
fn what_runs_already_is_not_resumed() {
    let (mut flash, blocks) = (Flash::new(8_192), good(700));
    transfer(&mut node(&mut flash), &mut flash, &blocks).expect("received");
    let newer = Firmware {
        version: 0x0103,
        ..RUNNING
    };
    let area = Area {
        journal: JOURNAL,
        slot: SLOT,
    };
    let mut node = Receiver::new(newer, Some(area));
    node.resume(&mut flash);
    assert_eq!(node.status().state, update::IDLE);
    assert_eq!(
        node.block(0, &blocks[0], &mut flash),
        Err(Denied::Refused),
        "nor received again"
    );
}

#[test]
fn a_worn_flash_and_a_board_without_room_say_so() {
    let mut flash = Flash::new(8_192);
    flash.worn = true;
    assert_eq!(
        node(&mut flash).block(0, &good(300)[0], &mut flash),
        Err(Denied::Storage)
    );
    let mut roomless = Receiver::new(RUNNING, None);
    assert_eq!(
        roomless.block(0, &good(300)[0], &mut flash),
        Err(Denied::Unsupported)
    );
    assert_eq!(roomless.status().state, update::UNSUPPORTED);
}

/// Cuts the power after every single byte of a transfer, and lets the master go on after each.
#[test]
fn a_power_cut_at_any_byte_costs_one_page_at_most() {
    let blocks = good(1_500);
    let mut whole = Flash::new(8_192);
    whole.cut_after(usize::MAX);
    send(&mut node(&mut whole), &mut whole, &blocks).expect("received");
    let spent = usize::MAX - whole.power.expect("counted");
    for cut in 0..spent {
        let mut flash = Flash::new(8_192);
        flash.cut_after(cut);
        let mut before = node(&mut flash);
        let _ = send(&mut before, &mut flash, &blocks);
        let had = before.status().next_block;
        let mut flash = flash.restart();
        let mut after = node(&mut flash);
        let lost = had.saturating_sub(after.status().next_block);
        let blocks_of_a_page = 512 / BLOCK_BYTES as u16;
        assert!(
            lost <= blocks_of_a_page,
            "cut after {cut} bytes: {had} blocks, then {after:?}"
        );
        assert_eq!(
            send(&mut after, &mut flash, &blocks),
            Ok(()),
            "cut after {cut} bytes"
        );
        assert_eq!(
            flash.bytes[SLOT.start as usize..][..1_500],
            image(1_500),
            "cut after {cut} bytes"
        );
        // A check takes long where nothing is optimised; the bytes it sees were compared just now.
        if cut % 200 == 0 {
            assert_eq!(
                transfer(&mut after, &mut flash, &blocks),
                Ok(()),
                "cut after {cut} bytes"
            );
            assert_eq!(after.status().state, update::READY, "cut after {cut} bytes");
        }
    }
}

proptest! {
    /// Whatever is written to the update registers, only what was signed becomes ready.
    #[test]
    fn no_sequence_of_writes_makes_an_unsigned_image_ready(
        acts in prop::collection::vec((0u16..9, 0u16..5, any::<u8>()), 1..80),
    ) {
        let mut flash = Flash::new(8_192);
        let mut node = node(&mut flash);
        let mut blocks = good(700);
        let last = blocks.len() - 1;
        blocks[last][0] ^= 1;
        for (number, act, noise) in acts {
            match act {
                0 => { let _ = node.command(number, &mut flash); }
                1 => { let _ = node.block(number, &[noise; BLOCK_BYTES], &mut flash); }
                2 => node.work(&mut flash),
                _ => {
                    let next = node.status().next_block;
                    if let Some(block) = blocks.get(usize::from(next)) {
                        let _ = node.block(next, block, &mut flash);
                    }
                }
            }
            prop_assert_ne!(node.status().state, update::READY);
            prop_assert!(!node.is_activating());
        }
    }
}

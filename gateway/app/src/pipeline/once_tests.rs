//! Once: what counts as the same message, and for how long.

use super::*;

const T: Timestamp = Timestamp::from_millis(1_000_000);

fn uplink(f_cnt: u32) -> LorawanIdentity {
    LorawanIdentity {
        dev_eui: 7,
        f_port: 1,
        f_cnt,
    }
}

#[test]
fn two_network_servers_hearing_one_uplink_give_one_reading() {
    let mut once = Once::default();
    let later = T.plus(Duration::from_secs(20 * 60));
    assert!(!once.lorawan_seen(&uplink(100), 0, b"\x01", T));
    assert!(once.lorawan_seen(&uplink(100), 0, b"\x01", later));
    assert!(
        !once.lorawan_seen(&uplink(100), 0, b"\x00", T),
        "another payload is another frame"
    );
    assert!(
        !once.lorawan_seen(&uplink(100), 0, b"\x01", T.plus(LORAWAN_MEMORY)),
        "a day later the counter may repeat"
    );
}

#[test]
fn after_a_join_the_same_count_is_another_frame() {
    let mut once = Once::default();
    assert!(!once.lorawan_seen(&uplink(0), 0, b"\x01", T));
    assert!(
        !once.lorawan_seen(&uplink(0), 1, b"\x01", T),
        "wet again after a new battery"
    );
    assert!(once.lorawan_seen(&uplink(0), 1, b"\x01", T));
}

#[test]
fn a_redelivery_needs_the_dup_flag_and_the_same_packet() {
    let mut once = Once::default();
    assert!(!once.packet_seen((1, 5), false, "bin/7", b"x"));
    assert!(
        !once.packet_seen((1, 6), false, "bin/7", b"x"),
        "equal readings are both kept"
    );
    assert!(once.packet_seen((1, 5), true, "bin/7", b"x"));
    assert!(!once.packet_seen((2, 5), true, "bin/7", b"x"), "another session");
    assert!(
        !once.packet_seen((1, 5), false, "bin/7", b"x"),
        "without DUP it is a new message"
    );
}

#[test]
fn an_equal_message_under_an_id_that_came_round_is_another_one() {
    let mut once = Once::default();
    assert!(!once.packet_seen((1, 5), false, "leak/7", b"dry"));
    for n in 1..REPEAT_WINDOW {
        once.packet_seen((1, 6 + (n % 60_000) as u16), false, "t", &n.to_le_bytes());
        once.packet_seen((2, 9), false, "t", &n.to_le_bytes());
        once.commit();
    }
    assert!(
        once.packet_seen((1, 5), true, "leak/7", b"dry"),
        "it may still be unacknowledged, whatever other sessions did"
    );
    once.packet_seen((1, 4), false, "t", b"");
    assert!(
        !once.packet_seen((1, 5), true, "leak/7", b"dry"),
        "a window later its first delivery was lost"
    );
    assert!(once.packet_seen((1, 5), true, "leak/7", b"dry"));
}

#[test]
fn a_session_whose_ids_are_forgotten_is_forgotten() {
    let mut once = Once::default();
    for session in 0..2 * PACKET_LIMIT as u64 {
        once.packet_seen((session, 1), false, "t", b"x");
        once.commit();
    }
    assert_eq!(once.sessions.len(), PACKET_LIMIT);
    once.packet_seen((7, 1), false, "t", b"x");
    once.rollback();
    assert!(!once.sessions.contains_key(&7));
}

#[test]
fn old_packet_ids_make_room_for_new_ones() {
    let mut once = Once::default();
    for device in 0..3 * PACKET_LIMIT as u64 {
        assert!(!once.packet_seen((device, 1), false, "t", b"x"));
        once.commit();
    }
    assert_eq!(once.packets.len(), PACKET_LIMIT, "memory is bounded");
    let newest = 3 * PACKET_LIMIT as u64 - 1;
    assert!(
        once.packet_seen((newest, 1), true, "t", b"x"),
        "the newest are known"
    );
    assert!(
        !once.packet_seen((0, 1), true, "t", b"x"),
        "the oldest are forgotten"
    );
    // An id that is used over and over is one entry, whose last use counts.
    for n in 0..2 * PACKET_LIMIT as u64 {
        once.packet_seen((7, 7), false, "t", &n.to_le_bytes());
        once.commit();
    }
    assert!(once.delivered.len() <= PACKET_LIMIT);
    let last = 2 * PACKET_LIMIT as u64 - 1;
    assert!(once.packet_seen((7, 7), true, "t", &last.to_le_bytes()));
}

#[test]
fn a_failed_batch_was_never_seen() {
    let mut once = Once::default();
    once.packet_seen((1, 5), false, "t", b"old");
    once.commit();
    once.packet_seen((1, 5), false, "t", b"new");
    once.packet_seen((1, 9), false, "t", b"new");
    once.lorawan_seen(&uplink(1), 0, b"", T);
    once.rollback();
    assert!(once.packet_seen((1, 5), true, "t", b"old"));
    assert!(!once.packet_seen((1, 9), true, "t", b"new"));
    assert!(!once.lorawan_seen(&uplink(1), 0, b"", T));
}

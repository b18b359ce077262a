//! What is still called for, decided by the rows of a real ledger.

use super::*;
use linli_domain::alarm::Ack;
use linli_domain::text::Language;
use linli_domain::time::{BootId, Monotonic, Now};
use linli_ledger::{AlarmRow, Batch, DeliveryState, Ledger, NewDelivery, Options, OrderRow};
use std::str::FromStr;

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// An outbox with alarms and orders beside it.
struct House {
    _folder: tempfile::TempDir,
    reader: Reader,
    ledger: Ledger,
    due: Vec<Delivery>,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), &Options::default()).unwrap();
        let reader = Reader::open(folder.path()).unwrap();
        Self {
            _folder: folder,
            reader,
            ledger,
            due: Vec::new(),
        }
    }

    fn alarm(&mut self, id: u64, condition: Condition, ack: Ack) -> &mut Self {
        self.alarm_in(
            id,
            AlarmState {
                condition,
                ack,
                latch: Latch::Off,
                annunciation: Annunciation::On,
            },
        )
    }

    fn alarm_in(&mut self, id: u64, state: AlarmState) -> &mut Self {
        let row = AlarmRow {
            id: AlarmId(id),
            asset: parsed(&format!("pipe-{id}")),
            class: parsed("leak"),
            live: !state.is_over(),
            priority: 1,
            state: state.display_code().to_owned(),
            raised: AT,
            updated: AT,
            cause: None,
            document: serde_json::to_vec(&serde_json::json!({ "state": state, "count": 1 })).unwrap(),
        };
        let alarms = std::slice::from_ref(&row);
        self.ledger
            .commit(&Batch {
                alarms,
                ..Batch::at(now())
            })
            .unwrap();
        self
    }

    fn order(&mut self, id: u64, state: OrderState) -> &mut Self {
        let row = OrderRow {
            id: OrderId(id),
            asset: parsed(&format!("pipe-{id}")),
            fault: parsed("leak"),
            open: !state.is_terminal(),
            state: state.name().to_owned(),
            version: 1,
            priority: 1,
            role: "repair".into(),
            opened: AT,
            updated: AT,
            document: b"{}".to_vec(),
            tasks: Vec::new(),
        };
        let orders = std::slice::from_ref(&row);
        self.ledger
            .commit(&Batch {
                orders,
                ..Batch::at(now())
            })
            .unwrap();
        self
    }

    /// Something to be said about a subject, asked for so many seconds ago; its number.
    fn waits(&mut self, subject: &str, calls: &[Call], ago: u64) -> i64 {
        let card = Card {
            language: Language::Zh,
            priority: "P1".into(),
            title: format!("{subject} {}", self.due.len()),
            text: String::new(),
            calls: calls.to_vec(),
        };
        let id = i64::try_from(self.due.len()).unwrap() + 1;
        let created = AT.minus(Duration::from_secs(ago));
        self.due.push(Delivery {
            id,
            message: NewDelivery {
                channel: "group".into(),
                subject_kind: "alarm".into(),
                subject: subject.into(),
                payload: serde_json::to_vec(&card).unwrap(),
                idempotency: format!("group/{id}"),
                created,
                next_at: created,
            },
            state: DeliveryState::Pending,
            attempts: 0,
            next_at: created,
            last_error: None,
            delivered_at: None,
        });
        id
    }

    fn outlived(&self) -> Vec<i64> {
        let people = HashSet::from(["group".to_owned()]);
        let found = outlived(&self.reader, &self.due, &people, AT).unwrap();
        let mut found: Vec<i64> = found.into_iter().collect();
        found.sort_unstable();
        found
    }
}

fn now() -> Now {
    Now {
        wall: AT,
        monotonic: Monotonic(0),
        boot: BootId(1),
        trusted: true,
    }
}

fn parsed<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

#[test]
fn people_are_called_to_what_nobody_has_seen_and_to_nothing_else() {
    let mut house = House::new();
    house
        .alarm(1, Condition::Active, Ack::Unack)
        .alarm(2, Condition::Active, Ack::Ack)
        .alarm(3, Condition::Normal, Ack::Unack)
        .alarm(4, Condition::Normal, Ack::None);
    let of = |condition, ack, latch, annunciation| AlarmState {
        condition,
        ack,
        latch,
        annunciation,
    };
    house
        .alarm_in(
            5,
            of(Condition::Normal, Ack::Unack, Latch::Held, Annunciation::On),
        )
        .alarm_in(
            6,
            of(Condition::Active, Ack::Unack, Latch::Off, Annunciation::Shelved),
        )
        .alarm_in(7, of(Condition::Unknown, Ack::Ack, Latch::Off, Annunciation::On));
    for id in 1..=8 {
        house.waits(&format!("AL-{id}"), &[Call::Alarm(AlarmId(id))], 600);
    }
    // Kept though it is over, or not to be found: said as it is.
    assert_eq!(house.outlived(), [2, 3, 4, 6, 7]);
    let lost = house.waits("AL-7", &[Call::Lost(AlarmId(7))], 600);
    let heard = house.waits("AL-1", &[Call::Lost(AlarmId(1))], 600);
    assert!(!house.outlived().contains(&lost) && house.outlived().contains(&heard));
}

#[test]
fn an_order_calls_until_somebody_has_taken_it_and_again_when_it_has_to_be_done_again() {
    let mut house = House::new();
    house
        .order(1, OrderState::Dispatched)
        .order(2, OrderState::Accepted)
        .order(3, OrderState::InProgress)
        .order(4, OrderState::Cancelled);
    for id in 1..=4 {
        house.waits(&format!("WO-{id}"), &[Call::Order(OrderId(id))], 600);
    }
    assert_eq!(house.outlived(), [2, 3, 4]);
    let again = house.waits("WO-3", &[Call::Rework(OrderId(3))], 600);
    assert!(!house.outlived().contains(&again));
}

#[test]
fn a_message_about_several_calls_while_one_of_them_does() {
    let mut house = House::new();
    house
        .alarm(1, Condition::Normal, Ack::None)
        .alarm(2, Condition::Active, Ack::Unack);
    let both = [Call::Alarm(AlarmId(1)), Call::Alarm(AlarmId(2))];
    house.waits("AL-1", &both, 600);
    assert_eq!(house.outlived(), Vec::<i64>::new());
    house.alarm(2, Condition::Active, Ack::Ack);
    assert_eq!(house.outlived(), [1]);
}

#[test]
fn what_else_waits_about_the_same_is_told_with_it_and_what_stands_alone_by_itself() {
    let mut house = House::new();
    house.alarm(1, Condition::Normal, Ack::None);
    let raised = house.waits("AL-1", &[Call::Alarm(AlarmId(1))], 600);
    let cleared = house.waits("AL-1", &[], 1);
    house.waits("AL-9", &[], 600);
    assert_eq!(house.outlived(), [raised, cleared]);
}

#[test]
fn nothing_is_held_back_that_has_only_just_been_asked_for() {
    let mut house = House::new();
    house.alarm(1, Condition::Normal, Ack::None);
    house.waits("AL-1", &[Call::Alarm(AlarmId(1))], 119);
    assert_eq!(house.outlived(), Vec::<i64>::new());
}

#[test]
fn a_system_is_told_every_event() {
    let mut house = House::new();
    house.alarm(1, Condition::Normal, Ack::None);
    house.waits("AL-1", &[Call::Alarm(AlarmId(1))], 600);
    assert_eq!(house.outlived(), [1]);
    house.due[0].message.channel = "hook".into();
    assert_eq!(house.outlived(), Vec::<i64>::new());
}

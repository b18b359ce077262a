//! Stories of single nodes, told through the registers a poller reads.

use linli_modbus_slave::{Bank, Bits, Exception, Words};
use linli_node::{Baseline, Missing, Node, Probe, ResetCause, SAMPLE_PERIOD_MS, Samples, Settings, State};
use linli_registers::meaning::{alarm, fault, state};
use linli_registers::{
    Access, INPUT_BLOCK, Kind, NO_TEMPERATURE, NO_VALUE, REGISTERS, Register, Table, UPDATE_INPUT, address,
};
use proptest::prelude::*;

/// The field of the empty bay, milligauss.
const EMPTY_BAY: [i32; 3] = [210, -45, 430];

/// A node and its clock.
struct Bench {
    node: Node,
    now_ms: u32,
    ticks: i32,
}

impl Bench {
    fn new(kind: Kind) -> Bench {
        let node = Node::new(Settings::factory(kind), ResetCause::PowerOn);
        Bench {
            node,
            now_ms: u32::MAX - 1_000,
            ticks: 0,
        }
    }

    fn parking() -> Bench {
        let mut bench = Bench::new(Kind::Parking);
        bench.node = bench.node.with_baseline(Baseline::learned(EMPTY_BAY));
        bench
    }

    /// Lets time pass with what the world is like; a magnetometer trembles a little.
    fn pass(&mut self, ms: u32, world: Samples) {
        for _ in 0..ms / SAMPLE_PERIOD_MS {
            self.now_ms = self.now_ms.wrapping_add(SAMPLE_PERIOD_MS);
            self.ticks += 1;
            let field_mg = world.field_mg.map(|[x, y, z]| [x, y, z + self.ticks % 3 - 1]);
            self.node.step(self.now_ms, &Samples { field_mg, ..world });
        }
    }

    fn read(&self, address: u16) -> u16 {
        self.node.input(address).expect("register exists")
    }

    fn write(&mut self, address: u16, value: u16) -> Result<(), Exception> {
        self.node.write_holding(address, Words::new(&value.to_be_bytes()))
    }
}

fn bay(change_mg: i32) -> Samples {
    let [x, y, z] = EMPTY_BAY;
    Samples {
        field_mg: Ok([x + change_mg, y, z]),
        temperature_centi: Ok(2_150),
        ..Samples::default()
    }
}

fn probe(signal: u16) -> Samples {
    Samples {
        probe: Ok(Probe::Signal(signal)),
        temperature_centi: Ok(1_800),
        ..Samples::default()
    }
}

fn bin(distance_mm: u16) -> Samples {
    Samples {
        distance_mm: Ok(distance_mm),
        tilted: Ok(false),
        temperature_centi: Ok(2_000),
        ..Samples::default()
    }
}

#[test]
fn a_car_comes_and_goes() {
    let mut bench = Bench::parking();
    assert_eq!(
        bench.read(address::PARKING_STATE),
        state::UNKNOWN,
        "nothing was measured yet"
    );
    bench.pass(1_000, bay(0));
    assert_eq!(bench.read(address::PARKING_STATE), state::OFF);
    bench.pass(250, bay(300));
    bench.pass(1_000, bay(0));
    assert_eq!(
        bench.read(address::PARKING_VEHICLE_COUNT + 1),
        0,
        "a truck passing by is no arrival"
    );
    bench.pass(10_000, bay(300));
    assert_eq!(bench.read(address::PARKING_STATE), state::ON);
    assert_eq!(bench.read(address::PARKING_VEHICLE_COUNT + 1), 1);
    assert!((9..=10).contains(&bench.read(address::STATE_AGE_S)));
    assert!((298..=302).contains(&bench.read(address::PARKING_FIELD_CHANGE_MG)));
    bench.pass(1_000, bay(0));
    assert_eq!(bench.read(address::PARKING_STATE), state::OFF);
}

#[test]
fn a_lost_magnetometer_makes_the_bay_unknown_and_its_return_is_no_arrival() {
    let mut bench = Bench::parking();
    bench.pass(1_000, bay(300));
    assert_eq!(bench.node.state(), State::On);
    bench.pass(
        100,
        Samples {
            field_mg: Err(Missing::Absent),
            ..bay(0)
        },
    );
    assert_eq!(bench.node.state(), State::On, "two missed samples are a glitch");
    bench.pass(
        50,
        Samples {
            field_mg: Err(Missing::Absent),
            ..bay(0)
        },
    );
    assert_eq!(bench.read(address::PARKING_STATE), state::UNKNOWN);
    assert_eq!(bench.read(address::PARKING_FIELD_CHANGE_MG), NO_VALUE);
    assert_eq!(bench.node.faults(), fault::FIELD_LOST);
    assert_eq!(bench.node.discrete(address::STATE_KNOWN), Ok(false));
    bench.pass(1_000, bay(300));
    assert_eq!(bench.read(address::PARKING_STATE), state::ON);
    assert_eq!(bench.read(address::PARKING_VEHICLE_COUNT + 1), 1, "the same car");
    assert_eq!(bench.node.faults(), 0);
}

#[test]
fn a_bay_that_was_never_learned_is_unknown_until_someone_teaches_it() {
    let mut bench = Bench::new(Kind::Parking);
    bench.pass(1_000, bay(0));
    assert_eq!(bench.read(address::PARKING_STATE), state::UNKNOWN);
    assert_eq!(bench.node.faults(), fault::BASELINE_MISSING);
    bench
        .node
        .write_coils(address::LEARN_BASELINE, Bits::new(&[1], 1))
        .expect("parking nodes learn");
    assert_eq!(bench.node.coil(address::LEARN_BASELINE), Ok(true));
    bench.pass(2_000, bay(0));
    assert_eq!(bench.node.coil(address::LEARN_BASELINE), Ok(false), "done");
    assert_eq!(bench.read(address::PARKING_STATE), state::OFF);
    assert!(bench.node.baseline().is_some(), "for the board to keep");
}

#[test]
fn a_magnetometer_that_repeats_itself_for_minutes_is_not_believed() {
    let mut bench = Bench::parking();
    let frozen = Samples {
        field_mg: Ok(EMPTY_BAY),
        temperature_centi: Ok(2_000),
        ..Samples::default()
    };
    for _ in 0..301 * 1_000 / SAMPLE_PERIOD_MS {
        bench.now_ms = bench.now_ms.wrapping_add(SAMPLE_PERIOD_MS);
        bench.node.step(bench.now_ms, &frozen);
    }
    assert_eq!(bench.node.faults(), fault::FIELD_STUCK);
    assert_eq!(bench.read(address::PARKING_STATE), state::UNKNOWN);
    bench.pass(1_000, bay(0));
    assert_eq!(bench.read(address::PARKING_STATE), state::OFF);
}

#[test]
fn a_magnet_on_the_housing_is_no_car() {
    let mut bench = Bench::parking();
    bench.pass(1_000, bay(0));
    bench.pass(1_000, bay(50_000));
    assert_eq!(bench.read(address::PARKING_STATE), state::UNKNOWN);
    assert_eq!(bench.node.faults(), fault::FIELD_OUT_OF_RANGE);
}

#[test]
fn a_summer_is_followed_and_a_car_that_stays_is_not() {
    let mut bench = Bench::parking();
    let hours = |bench: &mut Bench, hours: u32, change_mg: i32| {
        for _ in 0..hours {
            bench.pass(3_600_000, bay(change_mg));
        }
    };
    hours(&mut bench, 1, 30);
    hours(&mut bench, 1, 60);
    hours(&mut bench, 1, 90);
    assert_eq!(bench.read(address::PARKING_STATE), state::OFF);
    assert!(
        (87..=93).contains(&bench.read(address::PARKING_DRIFT_MG)),
        "{}",
        bench.read(address::PARKING_DRIFT_MG)
    );
    let drift = bench.read(address::PARKING_DRIFT_MG);
    hours(&mut bench, 3, 400);
    assert_eq!(
        bench.read(address::PARKING_STATE),
        state::ON,
        "still there after three hours"
    );
    assert_eq!(bench.read(address::PARKING_DRIFT_MG), drift);
}

#[test]
fn weather_beyond_the_limit_is_a_fault_and_the_bay_still_tells() {
    let mut bench = Bench::parking();
    for change_mg in (20..=260).step_by(20) {
        bench.pass(25 * 60_000, bay(change_mg));
    }
    assert_eq!(bench.node.faults(), fault::BASELINE_DRIFTED);
    assert_eq!(bench.read(address::PARKING_STATE), state::OFF);
}

#[test]
fn a_distance_sensor_sees_the_car_that_the_magnetometer_cannot() {
    let mut bench = Bench::parking();
    bench.write(address::OVER_MM, 1_200).expect("one is fitted");
    let with = |change_mg, distance_mm| Samples {
        distance_mm: Ok(distance_mm),
        ..bay(change_mg)
    };
    bench.pass(2_000, with(0, 2_400));
    assert_eq!(bench.read(address::PARKING_STATE), state::OFF);
    bench.pass(2_000, with(40, 600));
    assert_eq!(bench.read(address::PARKING_STATE), state::ON, "an aluminium car");
    assert_eq!(bench.read(address::PARKING_DISTANCE_MM), 600);
    bench.pass(2_000, with(40, 1_250));
    assert_eq!(bench.read(address::PARKING_STATE), state::ON, "the echo wanders");
    bench.pass(2_000, with(0, 2_400));
    let blind = Samples {
        distance_mm: Err(Missing::Absent),
        ..bay(0)
    };
    bench.pass(2_000, blind);
    assert_eq!(
        bench.read(address::PARKING_STATE),
        state::OFF,
        "the magnetometer still tells"
    );
    assert_eq!(bench.node.faults(), fault::DISTANCE_LOST);
    bench.pass(2_000, Samples::NONE);
    assert_eq!(bench.read(address::PARKING_STATE), state::UNKNOWN, "nobody tells");
}

#[test]
fn a_dry_contact_is_wet_when_closed_and_knows_nothing_of_its_cable() {
    let mut bench = Bench::new(Kind::Leak);
    let contact = |closed| Samples {
        probe: Ok(Probe::Contact(closed)),
        ..probe(0)
    };
    bench.pass(1_000, contact(false));
    assert_eq!(bench.read(address::LEAK_STATE), state::OFF);
    assert_eq!(bench.read(address::LEAK_CABLE), state::UNKNOWN);
    assert_eq!(bench.read(address::LEAK_SIGNAL), NO_VALUE);
    bench.pass(1_000, contact(true));
    assert_eq!(bench.read(address::LEAK_STATE), state::ON);
    assert_eq!(bench.node.alarms() & alarm::LEAK, alarm::LEAK);
}

#[test]
fn what_no_sensor_can_say_is_out_of_range_and_never_a_state() {
    let mut bench = Bench::new(Kind::Leak);
    let shorted = Samples {
        temperature_centi: Ok(20_000),
        ..probe(60_000)
    };
    bench.pass(1_000, probe(110));
    bench.pass(1_000, shorted);
    assert_eq!(bench.read(address::LEAK_STATE), state::UNKNOWN);
    assert_eq!(
        bench.node.faults(),
        fault::PROBE_OUT_OF_RANGE | fault::TEMPERATURE_OUT_OF_RANGE
    );
    let mut bench = Bench::new(Kind::Bin);
    bench.pass(1_000, bin(940));
    bench.pass(2_000, bin(10));
    assert_eq!(
        bench.read(address::BIN_STATE),
        state::UNKNOWN,
        "waste against the sensor, or a bag over it"
    );
    assert_eq!(bench.node.faults(), fault::DISTANCE_OUT_OF_RANGE);
}

#[test]
fn a_leak_stays_latched_until_it_is_dry_and_acknowledged() {
    let mut bench = Bench::new(Kind::Leak);
    bench
        .write(address::ACKNOWLEDGE, alarm::RESTARTED)
        .expect("a start is acknowledged");
    bench.pass(1_000, probe(110));
    assert_eq!(bench.node.alarms(), 0);
    bench.pass(5_000, probe(2_600));
    assert_eq!(bench.read(address::LEAK_STATE), state::ON);
    bench.write(address::ACKNOWLEDGE, 0xFFFF).expect("written");
    assert_eq!(bench.node.alarms(), alarm::LEAK, "still wet");
    bench.pass(1_000, probe(110));
    assert_eq!(bench.read(address::LEAK_STATE), state::OFF);
    assert_eq!(bench.node.alarms(), alarm::LEAK, "dry, not acknowledged");
    assert_eq!(bench.read(address::LEAK_COUNT), 1);
    assert_eq!(bench.read(address::LEAK_LAST_DURATION_S), 5);
    bench.write(address::ACKNOWLEDGE, alarm::LEAK).expect("written");
    assert_eq!(bench.read(address::ALARMS_LATCHED), 0);
    assert_eq!(
        bench.read(address::EVENT_COUNT),
        4,
        "known dry, known cool, wet, dry"
    );
}

#[test]
fn an_alarm_whose_sensor_is_lost_cannot_be_acknowledged_away() {
    let mut bench = Bench::new(Kind::Leak);
    bench.pass(1_000, probe(2_600));
    bench.pass(
        1_000,
        Samples {
            probe: Err(Missing::Absent),
            ..probe(0)
        },
    );
    assert_eq!(bench.read(address::LEAK_STATE), state::UNKNOWN);
    bench.write(address::ACKNOWLEDGE, 0xFFFF).expect("written");
    assert_eq!(bench.node.alarms(), alarm::LEAK, "nobody knows that it is over");
}

#[test]
fn a_cut_cable_is_told_from_a_dead_converter_and_neither_is_dry() {
    let mut bench = Bench::new(Kind::Leak);
    bench.pass(1_000, probe(110));
    bench.pass(
        50,
        Samples {
            probe: Ok(Probe::Open),
            ..probe(0)
        },
    );
    assert_eq!(bench.read(address::LEAK_STATE), state::UNKNOWN);
    assert_eq!(
        (bench.read(address::LEAK_CABLE), bench.node.faults()),
        (state::ON, fault::PROBE_OPEN)
    );
    bench.pass(
        500,
        Samples {
            probe: Err(Missing::Absent),
            ..probe(0)
        },
    );
    assert_eq!(
        (bench.read(address::LEAK_CABLE), bench.node.faults()),
        (state::UNKNOWN, fault::PROBE_LOST)
    );
    assert_eq!(bench.read(address::LEAK_SIGNAL), NO_VALUE);
}

#[test]
fn a_bin_fills_up_burns_and_falls_over() {
    let mut bench = Bench::new(Kind::Bin);
    bench.pass(1_000, bin(940));
    assert_eq!(bench.read(address::BIN_DISTANCE_MM), 940);
    assert_eq!(bench.read(address::BIN_STATE), state::OFF);
    bench.pass(50, bin(40));
    bench.pass(50, bin(31));
    assert_eq!(bench.read(address::BIN_DISTANCE_MM), 940, "two stray echoes");
    bench.pass(1_000, bin(180));
    assert_eq!(bench.read(address::BIN_STATE), state::ON);
    bench.pass(1_000, bin(260));
    assert_eq!(
        bench.read(address::BIN_STATE),
        state::ON,
        "the waste settled a little"
    );
    bench.pass(
        1_000,
        Samples {
            temperature_centi: Ok(7_100),
            tilted: Ok(true),
            ..bin(260)
        },
    );
    assert_eq!(
        (bench.read(address::BIN_FIRE), bench.read(address::BIN_TILT)),
        (state::ON, state::ON)
    );
    let latched = alarm::OVER_TEMPERATURE | alarm::TILT | alarm::RESTARTED;
    assert_eq!(bench.node.alarms(), latched);
    bench.pass(1_000, bin(940));
    assert_eq!(
        (bench.read(address::BIN_STATE), bench.node.alarms()),
        (state::OFF, latched)
    );
}

#[test]
fn a_bin_with_every_sensor_lost_says_nothing_but_that() {
    let mut bench = Bench::new(Kind::Bin);
    bench.pass(1_000, bin(940));
    bench.pass(2_000, Samples::default());
    for address in [address::BIN_STATE, address::BIN_TILT, address::BIN_FIRE] {
        assert_eq!(bench.read(address), state::UNKNOWN);
    }
    assert_eq!(bench.read(address::BIN_DISTANCE_MM), NO_VALUE);
    assert_eq!(bench.read(address::BIN_TEMPERATURE), NO_TEMPERATURE);
    assert_eq!(bench.read(address::FAULTY), 1);
}

#[test]
fn a_node_does_not_lose_its_address_while_it_runs() {
    let mut bench = Bench::new(Kind::Leak);
    bench.write(address::UNIT_ID, 33).expect("in range");
    assert_eq!(
        bench.node.settings().unit(),
        33,
        "wanted; when it takes effect is the line's business"
    );
    assert_eq!(bench.write(address::UNIT_ID, 248), Err(Exception::IllegalValue));
}

#[test]
fn every_register_of_the_table_answers_and_none_beyond() {
    for kind in Kind::ALL {
        let mut bench = Bench::new(kind);
        let own =
            |register: &&Register| register.kinds.contains(kind) && register.address < UPDATE_INPUT.start;
        for register in REGISTERS.iter().filter(own) {
            for address in register.address..register.address + register.ty.words() {
                let answers = match register.table {
                    Table::Input => bench.node.input(address).is_ok(),
                    Table::Holding => bench.node.holding(address).is_ok(),
                    Table::Coil => bench.node.coil(address).is_ok(),
                    Table::Discrete => bench.node.discrete(address).is_ok(),
                };
                assert!(answers, "{kind:?} {}", register.name);
            }
            if register.access == Access::ReadWrite {
                let (min, max, default) = (register.min, register.max, register.default);
                assert_eq!(bench.node.holding(register.address), Ok(default));
                assert!(
                    bench.write(register.address, default).is_ok(),
                    "{}",
                    register.name
                );
                assert!(
                    min == 0 || bench.write(register.address, min - 1).is_err(),
                    "{}",
                    register.name
                );
                assert!(
                    max == u16::MAX || bench.write(register.address, max + 1).is_err(),
                    "{}",
                    register.name
                );
            }
        }
        assert_eq!(bench.node.input(INPUT_BLOCK.end), Err(Exception::IllegalAddress));
        assert_eq!(bench.node.holding(10), Err(Exception::IllegalAddress));
        assert_eq!(bench.node.discrete(3), Err(Exception::IllegalAddress));
        assert_eq!(bench.node.coil(1), Err(Exception::IllegalAddress));
    }
}

fn sample<T: core::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Result<T, Missing>> {
    let missing = prop::sample::select(vec![Missing::Absent, Missing::OutOfRange]);
    (prop::option::of(value), missing).prop_map(|(value, missing)| value.ok_or(missing))
}

/// Any samples a driver could hand over, sensible or not.
fn samples() -> impl Strategy<Value = Samples> {
    (
        sample(any::<[i32; 3]>()),
        sample(any::<u16>()),
        sample(any::<bool>()),
        sample(any::<i16>()),
        sample(prop_oneof![
            any::<u16>().prop_map(Probe::Signal),
            any::<bool>().prop_map(Probe::Contact),
            Just(Probe::Open)
        ]),
        any::<u16>(),
    )
        .prop_map(
            |(field_mg, distance_mm, tilted, temperature_centi, probe, supply_mv)| Samples {
                field_mg,
                distance_mm,
                tilted,
                temperature_centi,
                probe,
                supply_mv,
            },
        )
}

proptest! {
    #[test]
    fn whatever_the_sensors_say_a_lost_one_never_reads_as_off(
        life in prop::collection::vec((samples(), any::<u32>()), 1..60),
    ) {
        for kind in Kind::ALL {
            let mut bench = Bench::new(kind);
            for (samples, now_ms) in &life {
                bench.node.step(*now_ms, samples);
            }
            let blind = Samples::default();
            bench.pass(2_000, blind);
            prop_assert_eq!(bench.read(address::PARKING_STATE), state::UNKNOWN);
            for address in INPUT_BLOCK {
                bench.read(address);
            }
        }
    }
}

//! The nodes on one bus, and the script of what happens to them.
//!
//! Pure: time is an argument. Not responsible for: sharing and clocks (`shared`), frames (`session`).

use std::collections::BTreeMap;
use std::time::Duration;

use linli_modbus_slave::{Audience, BROADCAST, rtu};
use linli_node::{Settings, State};
use linli_registers::Kind;

use crate::Fault;
use crate::module::{MODULE_CHANNELS, Module};
use crate::reaction::Reaction;
use crate::sim_node::SimNode;
use crate::world::CAR_MG;

/// One node to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Address on the bus, 1 to 247.
    pub unit: u8,
    /// What it watches.
    pub kind: Kind,
}

/// Something that happens to one node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Water at the probe, or none (leak).
    Leak(bool),
    /// Distance from the lid to the waste, millimetres (bin).
    DistanceMm(u16),
    /// The bin leans (bin).
    Tilted(bool),
    /// Temperature, degrees Celsius, kept within -55 to 125 (all).
    TemperatureC(f32),
    /// Change of the magnetic field against the empty bay, milligauss (parking).
    FieldMg(u16),
    /// A car, or none (parking).
    Parked(bool),
    /// A contact, numbered from 1, is closed or open (module).
    Contact(u8, bool),
    /// A fault, or its end (all).
    Fault(Fault),
}

impl Change {
    fn fits(self, kind: Kind) -> bool {
        match self {
            Change::Leak(_) => kind == Kind::Leak,
            Change::DistanceMm(_) | Change::Tilted(_) => kind == Kind::Bin,
            Change::FieldMg(_) | Change::Parked(_) => kind == Kind::Parking,
            Change::Contact(..) => false,
            Change::TemperatureC(_) | Change::Fault(_) => true,
        }
    }

    fn fits_module(self) -> bool {
        match self {
            Change::Contact(number, _) => (1..=MODULE_CHANNELS).contains(&number),
            Change::Fault(_) => true,
            _ => false,
        }
    }
}

/// A change at a time after the street's start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScriptStep {
    /// When.
    pub at: Duration,
    /// To whom.
    pub unit: u8,
    /// What.
    pub change: Change,
}

/// Why a street cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreetError {
    /// An address no Modbus node may have.
    #[error("unit {0} is not an address; nodes have 1 to 247")]
    Unit(u8),
    /// Two nodes would answer at once.
    #[error("unit {0} is given twice; two nodes would answer at once")]
    Twice(u8),
    /// The script names a node that is not there, or does to it what cannot happen to its kind.
    #[error("script step {number} does not fit: unit {unit} is {what}")]
    Script {
        /// Which step, from 1.
        number: usize,
        /// The unit it names.
        unit: u8,
        /// What that unit is.
        what: &'static str,
    },
}

/// Nodes on one bus, by the address they were built with. A master may move a node; its builder still knows it by
/// the old one.
pub struct Street {
    nodes: BTreeMap<u8, SimNode>,
    modules: BTreeMap<u8, Module>,
    /// What is still to happen, the next one last.
    script: Vec<ScriptStep>,
}

impl Street {
    /// A street with these nodes on a quiet day.
    pub fn new(nodes: impl IntoIterator<Item = NodeConfig>) -> Result<Street, StreetError> {
        let mut street = Street {
            nodes: BTreeMap::new(),
            modules: BTreeMap::new(),
            script: vec![],
        };
        for NodeConfig { unit, kind } in nodes {
            let settings = Settings::factory(kind)
                .with_unit(unit)
                .ok_or(StreetError::Unit(unit))?;
            if street.nodes.insert(unit, SimNode::new(settings)).is_some() {
                return Err(StreetError::Twice(unit));
            }
        }
        Ok(street)
    }

    /// The same street with a foreign input module at this address, 1 to 247.
    pub fn with_module(mut self, unit: u8) -> Result<Street, StreetError> {
        if !(1..=247).contains(&unit) {
            return Err(StreetError::Unit(unit));
        }
        if self.nodes.contains_key(&unit) || self.modules.insert(unit, Module::default()).is_some() {
            return Err(StreetError::Twice(unit));
        }
        Ok(self)
    }

    /// The same street, to which these things will happen. Steps at the same time keep their order.
    pub fn with_script(mut self, mut script: Vec<ScriptStep>) -> Result<Street, StreetError> {
        for (step, number) in script.iter().zip(1..) {
            let (fits, what) = match self.nodes.get(&step.unit).map(SimNode::kind) {
                Some(kind) => (step.change.fits(kind), kind.name()),
                None if self.modules.contains_key(&step.unit) => (step.change.fits_module(), "a module"),
                None => (false, "not on the street"),
            };
            if !fits {
                return Err(StreetError::Script {
                    number,
                    unit: step.unit,
                    what,
                });
            }
        }
        script.sort_by_key(|step| step.at);
        script.reverse();
        self.script = script;
        Ok(self)
    }

    /// Lets something happen to a node or a module; false when there is none, or it cannot happen to its kind.
    pub fn apply(&mut self, unit: u8, change: Change) -> bool {
        if let Some(module) = self.modules.get_mut(&unit) {
            match change {
                Change::Contact(number, closed) => return module.set_contact(number, closed),
                Change::Fault(fault) => module.fault = fault,
                _ => return false,
            }
            return true;
        }
        let Some(node) = self.nodes.get_mut(&unit).filter(|node| change.fits(node.kind())) else {
            return false;
        };
        let world = &mut node.world;
        match change {
            Change::Leak(wet) => world.wet = wet,
            Change::DistanceMm(distance_mm) => world.distance_mm = distance_mm,
            Change::Tilted(tilted) => world.tilted = tilted,
            // The cast saturates, and takes "not a number" for 0.
            Change::TemperatureC(c) => {
                world.temperature_centi = (c.clamp(-55.0, 125.0) * 100.0).round() as i16
            }
            Change::FieldMg(field_mg) => world.field_mg = field_mg,
            Change::Parked(parked) => world.field_mg = if parked { CAR_MG } else { 0 },
            Change::Fault(fault) => node.fault = fault,
            Change::Contact(..) => return false,
        }
        true
    }

    /// Lets what is due happen, then takes one sample of every sensor. `now` counts from the street's start.
    pub fn step(&mut self, now: Duration) {
        while let Some(step) = self.script.pop_if(|step| step.at <= now) {
            self.apply(step.unit, step.change);
        }
        for node in self.nodes.values_mut() {
            node.step(now);
        }
    }

    /// What the node itself holds for true now: wet, occupied, full.
    pub fn state(&self, unit: u8) -> Option<State> {
        self.nodes.get(&unit).map(SimNode::state)
    }

    /// The nodes there are, by address.
    pub fn nodes(&self) -> impl Iterator<Item = NodeConfig> + '_ {
        self.nodes.iter().map(|(unit, node)| NodeConfig {
            unit: *unit,
            kind: node.kind(),
        })
    }

    pub(crate) fn ask(&mut self, unit: u8, request: &[u8]) -> Reaction {
        if unit == BROADCAST {
            for node in self.nodes.values_mut() {
                node.ask(request, Audience::Everyone);
            }
            for module in self.modules.values_mut() {
                module.ask(request, Audience::Everyone);
            }
            return Reaction::Quiet;
        }
        let node = self.nodes.values_mut().find(|node| node.line().unit == unit);
        match (node, self.modules.get_mut(&unit)) {
            (Some(node), _) => node.ask(request, Audience::Own),
            (None, Some(module)) => module.ask(request, Audience::Own),
            (None, None) => Reaction::Absent,
        }
    }

    pub(crate) fn hear_noise(&mut self, noise: rtu::Noise) {
        for node in self.nodes.values_mut() {
            node.hear_noise(noise);
        }
        for module in self.modules.values_mut() {
            module.hear_noise(noise);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(unit: u8, kind: Kind) -> NodeConfig {
        NodeConfig { unit, kind }
    }

    fn run(street: &mut Street, from_ms: u64, to_ms: u64) {
        for now in (from_ms..=to_ms).step_by(50) {
            street.step(Duration::from_millis(now));
        }
    }

    #[test]
    fn a_street_wakes_up_and_finds_everything_quiet() {
        let nodes = [node(1, Kind::Leak), node(2, Kind::Parking), node(3, Kind::Bin)];
        let mut street = Street::new(nodes).expect("valid");
        assert_eq!(street.state(1), Some(State::Unknown));
        run(&mut street, 0, 1_000);
        for unit in 1..=3 {
            assert_eq!(street.state(unit), Some(State::Off), "unit {unit}");
        }
        assert_eq!(street.state(4), None);
    }

    #[test]
    fn what_the_script_says_happens_at_its_time() {
        let script = vec![
            ScriptStep {
                at: Duration::from_secs(5),
                unit: 1,
                change: Change::Leak(false),
            },
            ScriptStep {
                at: Duration::from_secs(2),
                unit: 1,
                change: Change::Leak(true),
            },
        ];
        let mut street = Street::new([node(1, Kind::Leak)])
            .and_then(|s| s.with_script(script))
            .expect("valid");
        run(&mut street, 0, 1_950);
        assert_eq!(street.state(1), Some(State::Off));
        run(&mut street, 2_000, 4_950);
        assert_eq!(street.state(1), Some(State::On));
        run(&mut street, 5_000, 6_000);
        assert_eq!(street.state(1), Some(State::Off));
    }

    #[test]
    fn what_cannot_happen_to_a_node_does_not() {
        let mut street = Street::new([node(1, Kind::Leak)]).expect("valid");
        assert!(!street.apply(1, Change::Parked(true)), "a probe is no bay");
        assert!(!street.apply(9, Change::Leak(true)), "nobody there");
        assert!(street.apply(1, Change::TemperatureC(f32::NAN)), "kept harmless");
        let script = vec![ScriptStep {
            at: Duration::ZERO,
            unit: 1,
            change: Change::DistanceMm(10),
        }];
        let error = street.with_script(script).err().expect("refused");
        assert_eq!(error.to_string(), "script step 1 does not fit: unit 1 is leak");
    }

    #[test]
    fn a_foreign_module_has_an_address_and_contacts_of_its_own() {
        let street = |unit| Street::new([node(1, Kind::Leak)]).and_then(|street| street.with_module(unit));
        assert_eq!(street(1).err(), Some(StreetError::Twice(1)));
        assert_eq!(street(0).err(), Some(StreetError::Unit(0)));
        let mut street = street(9).expect("valid");
        assert!(street.apply(9, Change::Contact(3, true)));
        assert!(!street.apply(9, Change::Contact(9, true)), "it has eight");
        assert!(!street.apply(9, Change::Leak(true)) && !street.apply(1, Change::Contact(1, true)));
        let Reaction::Answer { pdu, .. } = street.ask(9, &[2, 0, 0, 0, 8]) else {
            panic!("the module answers");
        };
        assert_eq!(pdu.as_bytes(), [2, 1, 0b100]);
    }

    #[test]
    fn two_nodes_cannot_share_an_address() {
        let twice = Street::new([node(7, Kind::Bin), node(7, Kind::Leak)]);
        assert_eq!(twice.err(), Some(StreetError::Twice(7)));
        assert_eq!(
            Street::new([node(0, Kind::Bin)]).err(),
            Some(StreetError::Unit(0))
        );
        assert_eq!(
            Street::new([node(248, Kind::Bin)]).err(),
            Some(StreetError::Unit(248))
        );
    }

    #[test]
    fn a_node_without_sensors_does_not_know() {
        let mut street = Street::new([node(1, Kind::Parking)]).expect("valid");
        street.apply(1, Change::Parked(true));
        run(&mut street, 0, 1_000);
        assert_eq!(street.state(1), Some(State::On));
        street.apply(1, Change::Fault(Fault::SensorLost));
        run(&mut street, 1_050, 2_000);
        assert_eq!(street.state(1), Some(State::Unknown));
        street.apply(1, Change::Fault(Fault::None));
        run(&mut street, 2_050, 3_000);
        assert_eq!(street.state(1), Some(State::On));
    }
}

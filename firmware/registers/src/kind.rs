//! The kinds of node that share the table, and sets of them.
//!
//! Not responsible for: what a kind measures; that is which registers name it.

/// What a node watches. The number is what input register `NODE_KIND` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Kind {
    /// One parking bay, by a magnetometer under the car.
    Parking = 1,
    /// One waste bin, by an ultrasonic distance sensor, a tilt switch and a thermometer in the lid.
    Bin = 2,
    /// One spot or rope of a leak probe.
    Leak = 3,
}

impl Kind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Kind; 3] = [Kind::Parking, Kind::Bin, Kind::Leak];

    /// The word used in file names, configurations and identities.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Parking => "parking",
            Kind::Bin => "bin",
            Kind::Leak => "leak",
        }
    }

    /// The kind a configuration names.
    ///
    /// ```
    /// use linli_registers::Kind;
    /// assert_eq!(Kind::from_name("leak"), Some(Kind::Leak));
    /// assert_eq!(Kind::from_name("toaster"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A set of kinds, as a register belongs to one or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// Every node has it.
    pub const ALL: Kinds = Kinds(0b111);
    /// Parking nodes.
    pub const PARKING: Kinds = Kinds(0b001);
    /// Bin nodes.
    pub const BIN: Kinds = Kinds(0b010);
    /// Leak nodes.
    pub const LEAK: Kinds = Kinds(0b100);

    /// Both sets together.
    pub const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// True when a node of this kind is in the set.
    pub const fn contains(self, kind: Kind) -> bool {
        let bit = match kind {
            Kind::Parking => Kinds::PARKING,
            Kind::Bin => Kinds::BIN,
            Kind::Leak => Kinds::LEAK,
        };
        self.0 & bit.0 != 0
    }

    /// True when some node is in both sets.
    pub const fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }
}

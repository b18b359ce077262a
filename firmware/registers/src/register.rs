//! The columns of the table: what is known about one register.
//!
//! Not responsible for: which registers exist; see `table`.

use crate::Kinds;

/// The four address spaces of Modbus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Read and written bit by bit (functions 1, 5, 15).
    Coil,
    /// Read-only bits (function 2).
    Discrete,
    /// Read-only words (function 4).
    Input,
    /// Settings (functions 3, 6, 16).
    Holding,
}

impl Table {
    /// The function code that reads this table.
    pub const fn read_function(self) -> u8 {
        match self {
            Table::Coil => 1,
            Table::Discrete => 2,
            Table::Holding => 3,
            Table::Input => 4,
        }
    }
}

/// How the words of a register are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// One bit, in `Coil` and `Discrete`.
    Bit,
    /// One word.
    U16,
    /// One word, two's complement.
    I16,
    /// Two words, high word first.
    U32,
    /// One word of independent bits; see [`crate::meaning`].
    Flags,
    /// One block of a field update.
    Window,
}

impl Type {
    /// How many addresses a value takes.
    pub const fn words(self) -> u16 {
        match self {
            Type::U32 => 2,
            Type::Window => (crate::BLOCK_BYTES / 2) as u16,
            Type::Bit | Type::U16 | Type::I16 | Type::Flags => 1,
        }
    }

    /// The name the gateway's profile language uses. A window is no value; as words it is `u16`.
    pub const fn profile_name(self) -> &'static str {
        match self {
            Type::Bit => "bool",
            Type::U16 | Type::Flags | Type::Window => "u16",
            Type::I16 => "i16",
            Type::U32 => "u32",
        }
    }
}

/// Who may change a register, and what a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The node reports it.
    ReadOnly,
    /// A setting: read back as written, refused outside its range.
    ReadWrite,
    /// Writing a 1 bit clears that bit elsewhere; reads as 0.
    WriteOneToClear,
    /// Writing it does something at once; reads as 0.
    Command,
    /// Writing on starts something that ends by itself; reads as on until it has.
    Pulse,
}

/// How a raw value becomes a reading of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A number: raw × scale, in the register's unit.
    Number,
    /// 0 is false, 1 is true, anything else is no reading.
    Truth,
}

/// The gateway's name for what a register measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Canonical measure, such as `leak.wet`.
    pub name: &'static str,
    /// Number or truth.
    pub meaning: Meaning,
    /// The raw pattern that says "no value", if there is one.
    pub missing: Option<u16>,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Address space.
    pub table: Table,
    /// 0-based address, as on the wire.
    pub address: u16,
    /// The name, as in [`crate::address`].
    pub name: &'static str,
    /// The node kinds that have it.
    pub kinds: Kinds,
    /// How its words are read.
    pub ty: Type,
    /// Who may change it.
    pub access: Access,
    /// Engineering value = raw × 10^-`decimals`.
    pub decimals: u8,
    /// SenML/UCUM symbol of the engineering value; empty for counts, flags and states.
    pub unit: &'static str,
    /// Smallest accepted raw value.
    pub min: u16,
    /// Largest accepted raw value.
    pub max: u16,
    /// Raw value of a node fresh from the factory.
    pub default: u16,
    /// What the gateway reads from it; `None` for registers a person or a tool looks at.
    pub measure: Option<Measure>,
}

impl Register {
    pub(crate) const fn new(
        table: Table,
        address: u16,
        name: &'static str,
        kinds: Kinds,
        ty: Type,
    ) -> Register {
        let access = match table {
            Table::Coil => Access::Pulse,
            Table::Holding => Access::ReadWrite,
            Table::Discrete | Table::Input => Access::ReadOnly,
        };
        Register {
            table,
            address,
            name,
            kinds,
            ty,
            access,
            decimals: 0,
            unit: "",
            min: 0,
            max: u16::MAX,
            default: 0,
            measure: None,
        }
    }

    pub(crate) const fn unit(mut self, unit: &'static str) -> Register {
        self.unit = unit;
        self
    }

    pub(crate) const fn hundredths(mut self, unit: &'static str) -> Register {
        self.decimals = 2;
        self.unit = unit;
        self
    }

    pub(crate) const fn range(mut self, min: u16, max: u16, default: u16) -> Register {
        self.min = min;
        self.max = max;
        self.default = default;
        self
    }

    pub(crate) const fn access(mut self, access: Access) -> Register {
        self.access = access;
        self
    }

    pub(crate) const fn number(mut self, name: &'static str, missing: Option<u16>) -> Register {
        self.measure = Some(Measure {
            name,
            meaning: Meaning::Number,
            missing,
        });
        self
    }

    pub(crate) const fn truth(mut self, name: &'static str, missing: Option<u16>) -> Register {
        self.measure = Some(Measure {
            name,
            meaning: Meaning::Truth,
            missing,
        });
        self
    }

    /// One past the last address it takes.
    pub const fn end(&self) -> u32 {
        self.address as u32 + self.ty.words() as u32
    }
}

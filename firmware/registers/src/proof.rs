//! What must hold for the table, proven while it is compiled: a wrong table does not build.
//!
//! Not responsible for: properties that need values; the node's tests show that every register answers.

use crate::meaning::BAUD_RATES;
use crate::{HOLDING_COUNT, INPUT_BLOCK, REGISTERS, Register, Table, UPDATE_HOLDING, UPDATE_INPUT};

const _: () = assert!(no_two_registers_of_one_node_overlap(), "two registers overlap");
const _: () = assert!(every_default_is_in_range(), "a default is outside its range");
const _: () = assert!(
    every_register_is_inside_its_block(),
    "a register is outside its block"
);
const _: () = assert!(
    crate::NO_TEMPERATURE as i16 == i16::MIN && BAUD_RATES.len() == 5,
    "a sentinel or a code range no longer fits its meaning"
);

/// `Table` has no `const` equality.
const fn same_table(a: Table, b: Table) -> bool {
    a.read_function() == b.read_function()
}

const fn no_two_registers_of_one_node_overlap() -> bool {
    let mut i = 0;
    while i < REGISTERS.len() {
        let mut j = i + 1;
        while j < REGISTERS.len() {
            let (a, b) = (&REGISTERS[i], &REGISTERS[j]);
            let apart = a.end() <= b.address as u32 || b.end() <= a.address as u32;
            if same_table(a.table, b.table) && a.kinds.meets(b.kinds) && !apart {
                return false;
            }
            j += 1;
        }
        i += 1;
    }
    true
}

const fn every_default_is_in_range() -> bool {
    let mut i = 0;
    while i < REGISTERS.len() {
        let register = &REGISTERS[i];
        if register.default < register.min || register.default > register.max {
            return false;
        }
        i += 1;
    }
    true
}

const fn every_register_is_inside_its_block() -> bool {
    let mut i = 0;
    while i < REGISTERS.len() {
        let register = &REGISTERS[i];
        let fits = match register.table {
            Table::Input => {
                lies_in(register, 0, INPUT_BLOCK.end)
                    || lies_in(register, UPDATE_INPUT.start, UPDATE_INPUT.end)
            }
            Table::Holding => {
                lies_in(register, 0, HOLDING_COUNT as u16)
                    || lies_in(register, UPDATE_HOLDING.start, UPDATE_HOLDING.end)
            }
            Table::Coil | Table::Discrete => lies_in(register, 0, 16),
        };
        if !fits {
            return false;
        }
        i += 1;
    }
    true
}

const fn lies_in(register: &Register, start: u16, end: u16) -> bool {
    register.address >= start && register.end() <= end as u32
}

#[cfg(test)]
mod tests {
    use crate::{HOLDING_COUNT, Kind, REGISTERS, Table, find, registers_of};

    #[test]
    fn settings_are_one_dense_block_so_that_one_request_reads_them() {
        for kind in Kind::ALL {
            for address in 0..HOLDING_COUNT as u16 {
                assert!(
                    find(kind, Table::Holding, address).is_some(),
                    "{kind:?} {address}"
                );
            }
            assert!(find(kind, Table::Holding, HOLDING_COUNT as u16).is_none());
            for (setting, address) in crate::settings(kind).iter().zip(0..) {
                let register = find(kind, Table::Holding, address);
                let row = register.map(|r| (r.min, r.max, r.default));
                assert_eq!(row, Some((setting.min, setting.max, setting.default)));
            }
        }
    }

    #[test]
    fn all_that_the_gateway_reads_of_a_node_touches_so_that_it_is_one_request() {
        for kind in Kind::ALL {
            let mut next = 0x20;
            for register in registers_of(kind).filter(|register| register.measure.is_some()) {
                assert_eq!(register.table, Table::Input, "{}", register.name);
                assert_eq!(u32::from(register.address), next, "{}", register.name);
                next = register.end();
            }
        }
    }

    #[test]
    fn a_measure_appears_once_per_kind() {
        for kind in Kind::ALL {
            let mut names: Vec<_> = registers_of(kind)
                .filter_map(|r| r.measure)
                .map(|m| m.name)
                .collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{kind:?}");
        }
    }

    #[test]
    fn the_second_word_of_a_long_register_belongs_to_it() {
        let high = find(Kind::Leak, Table::Input, crate::address::UPTIME_S);
        assert_eq!(find(Kind::Leak, Table::Input, crate::address::UPTIME_S + 1), high);
        assert!(REGISTERS.iter().any(|r| Some(r) == high));
    }
}

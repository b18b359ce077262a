//! A pretended device: blocks of registers, as tests and cases give them.

use super::map::RegisterMap;
use super::plan::Read;
use super::{RegisterData, RegisterRequest};

impl RegisterMap {
    /// What a device holding `image` answers to `read`; `None` when it does not hold a register that is asked for.
    /// An address that is only read over may hold anything: it reads as 0.
    pub(crate) fn answer(&self, read: &Read, image: &[(RegisterRequest, Vec<u16>)]) -> Option<RegisterData> {
        let request = &read.request;
        let word = |address: u32| {
            let held = image
                .iter()
                .filter(|(block, _)| block.function == request.function)
                .find_map(|(block, values)| {
                    let at = address.checked_sub(u32::from(block.start))?;
                    values.get(usize::try_from(at).ok()?).copied()
                });
            held.or_else(|| (!self.is_asked(read, address)).then_some(0))
        };
        let words: Vec<u16> = (u32::from(request.start)..request.end())
            .map(word)
            .collect::<Option<_>>()?;
        Some(if request.is_bits() {
            RegisterData::Bits(words.iter().map(|word| *word != 0).collect())
        } else {
            RegisterData::Words(words)
        })
    }

    /// Whether a register of the read's own stands at this address.
    fn is_asked(&self, read: &Read, address: u32) -> bool {
        let blocks = read.blocks.iter().filter_map(|index| self.blocks.get(*index));
        let mut registers = blocks
            .flat_map(|block| &block.registers)
            .filter_map(|index| self.registers.get(*index));
        registers.any(|register| {
            let start = u32::from(register.address);
            (start..start + u32::from(register.count)).contains(&address)
        })
    }
}

//! The bytes a board's flash holds, out of the ELF file of a compiler; a bare image is taken as it is.
//!
//! Not responsible for: whether they are a program, and for which board.

/// Farther apart than this two pieces are not one image: a linker script that puts something into another memory.
const MAX_IMAGE: u32 = 1 << 20;
/// "Load this" of a program header.
const LOAD: u32 = 1;
/// Bytes of a program header of a 32-bit file.
const PROGRAM_HEADER_BYTES: usize = 32;

/// Why a file holds no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnImage {
    /// There is nothing in it.
    #[error("the image is empty")]
    Empty,
    /// An ELF file, and not one of a microcontroller of ours.
    #[error("the file is not for a 32-bit microcontroller; was it compiled for this computer?")]
    OtherMachine,
    /// Cut short, or its pieces lie too far apart.
    #[error("the ELF file is cut short, or its parts do not make one image")]
    Broken,
}

/// What is to lie in the flash, from its first byte to its last; gaps are filled with 0xFF, as an erased flash is.
pub(super) fn image(file: &[u8]) -> Result<Vec<u8>, NotAnImage> {
    if file.is_empty() {
        return Err(NotAnImage::Empty);
    }
    if !file.starts_with(b"\x7fELF") {
        return Ok(file.to_vec());
    }
    // 32 bits, little-endian, Arm.
    if file.get(4..6) != Some(&[1, 1]) || file.get(18..20) != Some(&[40, 0]) {
        return Err(NotAnImage::OtherMachine);
    }
    let pieces = pieces(file).ok_or(NotAnImage::Broken)?;
    let start = pieces.iter().map(|(at, _)| *at).min().ok_or(NotAnImage::Empty)?;
    let mut image = Vec::new();
    for (at, bytes) in pieces {
        let offset = at - start;
        if offset > MAX_IMAGE || bytes.len() > MAX_IMAGE as usize {
            return Err(NotAnImage::Broken);
        }
        let (from, end) = (offset as usize, offset as usize + bytes.len());
        if image.len() < end {
            image.resize(end, 0xFF);
        }
        if let Some(slot) = image.get_mut(from..end) {
            slot.copy_from_slice(bytes);
        }
    }
    Ok(image)
}

/// What is to be loaded, with the address in flash where it lies before the program copies it elsewhere.
fn pieces(file: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(*file.get(at..)?.first_chunk()?)));
    let word = |at: usize| Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?));
    let (table, size, count) = (word(28)? as usize, half(42)?, half(44)?);
    if size < PROGRAM_HEADER_BYTES {
        return None;
    }
    let mut pieces = Vec::new();
    for index in 0..count {
        let header = table.checked_add(index * size)?;
        let (kind, offset, address, bytes) = (
            word(header)?,
            word(header.checked_add(4)?)? as usize,
            word(header.checked_add(12)?)?,
            word(header.checked_add(16)?)? as usize,
        );
        if kind == LOAD && bytes > 0 {
            pieces.push((address, file.get(offset..offset.checked_add(bytes)?)?));
        }
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file with these pieces: kind, address in flash, bytes.
    fn file(pieces: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut file = b"\x7fELF\x01\x01\x01".to_vec();
        file.resize(52, 0);
        file[18] = 40;
        file[28] = 52;
        file[42] = 32;
        file[44] = pieces.len() as u8;
        let mut data = vec![];
        for (kind, address, bytes) in pieces {
            let offset = (52 + 32 * pieces.len() + data.len()) as u32;
            for word in [*kind, offset, 0x2000_0000, *address, bytes.len() as u32, 0, 0, 4] {
                file.extend(word.to_le_bytes());
            }
            data.extend_from_slice(bytes);
        }
        file.extend(data);
        file
    }

    #[test]
    fn the_pieces_lie_where_the_flash_has_them() {
        let elf = file(&[
            (LOAD, 0x0800_8004, &[3, 4]),
            (LOAD, 0x0800_8000, &[1, 2]),
            (LOAD, 0x2000_0000, &[]),
            (6, 0x0900_0000, &[9]),
        ]);
        assert_eq!(image(&elf), Ok(vec![1, 2, 0xFF, 0xFF, 3, 4]));
        assert_eq!(image(&[1, 2, 3]), Ok(vec![1, 2, 3]), "a bare image");
    }

    #[test]
    fn what_is_no_image_of_a_node_is_refused() {
        let mut host = file(&[(LOAD, 0, &[1])]);
        host[18] = 62;
        assert_eq!(image(&host), Err(NotAnImage::OtherMachine));
        assert_eq!(image(&[]), Err(NotAnImage::Empty));
        assert_eq!(image(&file(&[])), Err(NotAnImage::Empty));
        let apart = file(&[(LOAD, 0x0800_0000, &[1]), (LOAD, 0x2000_0000, &[2])]);
        assert_eq!(image(&apart), Err(NotAnImage::Broken));
        let whole = file(&[(LOAD, 0x0800_0000, &[1, 2, 3])]);
        assert_eq!(image(&whole[..whole.len() - 1]), Err(NotAnImage::Broken));
    }

    proptest! {
        #[test]
        fn no_file_stops_it(mut bytes in prop::collection::vec(any::<u8>(), 0..200), is_elf: bool) {
            if is_elf {
                let start = file(&[(LOAD, 0x0800_0000, &[1, 2, 3])]);
                for (slot, byte) in bytes.iter_mut().zip(&start[..28]) {
                    *slot = *byte;
                }
            }
            if let Ok(image) = image(&bytes) {
                prop_assert!(image.len() <= 2 * MAX_IMAGE as usize + bytes.len());
            }
        }
    }
}

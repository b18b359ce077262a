//! Reading one packet off a stream without losing what comes behind it.

use bytes::{Buf, Bytes, BytesMut};
use std::io::{self, ErrorKind};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes read at once; also what one connection keeps as a buffer in each direction.
pub(super) const PIECE: usize = 4 << 10;
/// Longest length field.
const LENGTH_BYTES: usize = 4;

/// Reads a whole packet whose first byte must be `first`; what follows it stays in `buffer`. Longer than `most`, or of
/// another kind, is `InvalidData`, told before the rest is read.
pub(super) async fn packet(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    first: u8,
    most: usize,
) -> io::Result<Bytes> {
    loop {
        if buffer.first().is_some_and(|byte| *byte != first) {
            return Err(ErrorKind::InvalidData.into());
        }
        if let Some(length) = whole_length(buffer)? {
            if length > most {
                return Err(ErrorKind::InvalidData.into());
            }
            if buffer.len() >= length {
                return Ok(buffer.copy_to_bytes(length));
            }
        }
        buffer.reserve(PIECE);
        if stream.read_buf(buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Length of the first packet with its fixed header; `None` while that is not complete.
fn whole_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let mut length = 0;
    for (digit, byte) in bytes.iter().skip(1).take(LENGTH_BYTES).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * digit);
        if byte & 0x80 == 0 {
            return Ok(Some(2 + digit + length));
        }
    }
    if bytes.len() > LENGTH_BYTES {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn a_packet_is_read_byte_by_byte_and_what_follows_stays() {
        let (mut client, mut broker) = tokio::io::duplex(1);
        let write = tokio::spawn(async move {
            client.write_all(b"\x10\x03abc\xC0\x00").await.unwrap();
            client
        });
        let mut buffer = BytesMut::new();
        let first = packet(&mut broker, &mut buffer, 0x10, 100).await.unwrap();
        assert_eq!(&first[..], b"\x10\x03abc");
        let second = packet(&mut broker, &mut buffer, 0xC0, 100).await.unwrap();
        assert_eq!(&second[..], b"\xC0\x00");
        drop(write.await.unwrap());
        let end = packet(&mut broker, &mut buffer, 0xC0, 100).await.unwrap_err();
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_is_too_long_or_something_else_is_told_at_once() {
        for wrong in [&b"GET / HTTP/1.1"[..], b"\x10\x64", b"\x10\xFF\xFF\xFF\xFF"] {
            let mut stream = wrong;
            let error = packet(&mut stream, &mut BytesMut::new(), 0x10, 100)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{wrong:?}");
        }
    }
}

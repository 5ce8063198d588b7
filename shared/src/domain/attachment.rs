//! Attachments: what may be added to a message, and telling by its first bytes whether it is what it claims to be.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::values::RowKey;

/// The most attachments of one message.
pub const MOST_ATTACHMENTS: usize = 5;
/// How many of the first bytes are looked at.
pub const FIRST_BYTES: usize = 16;

const MEGABYTE: u32 = 1024 * 1024;

/// A type of file that may be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Media {
    /// A photo.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// A picture.
    #[serde(rename = "image/png")]
    Png,
    /// A picture.
    #[serde(rename = "image/webp")]
    Webp,
    /// A video.
    #[serde(rename = "video/mp4")]
    Mp4,
    /// A document.
    #[serde(rename = "application/pdf")]
    Pdf,
}

impl Media {
    /// The type as HTTP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Mp4 => "video/mp4",
            Self::Pdf => "application/pdf",
        }
    }

    /// The most bytes of such a file.
    #[must_use]
    pub const fn most_bytes(self) -> u32 {
        match self {
            Self::Jpeg | Self::Png | Self::Webp | Self::Pdf => 10 * MEGABYTE,
            Self::Mp4 => 15 * MEGABYTE,
        }
    }

    /// Whether a file that begins like this can be of this type, by the signature that its format prescribes: JPEG
    /// (ITU-T T.81, B.1.1.3), PNG (RFC 2083, 3.1), WebP (RFC 9649, 2.4), MP4 (ISO/IEC 14496-12, 4.3), PDF (ISO 32000-1,
    /// 7.5.2).
    #[must_use]
    pub fn begins_like(self, first: &[u8]) -> bool {
        match self {
            Self::Jpeg => first.starts_with(&[0xff, 0xd8, 0xff]),
            Self::Png => first.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Webp => first.starts_with(b"RIFF") && first.get(8..12) == Some(b"WEBP"),
            Self::Mp4 => first.get(4..8) == Some(b"ftyp"),
            Self::Pdf => first.starts_with(b"%PDF-"),
        }
    }
}

/// A file that is attached to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Under which name it lies in the object storage, beside the member's.
    pub id: RowKey,
    /// Its type.
    pub media: Media,
    /// Its size.
    pub bytes: u32,
}

impl Attachment {
    /// A file that is to be uploaded.
    pub fn new(id: RowKey, media: Media, bytes: u32) -> Result<Self, Refusal> {
        if (1..=media.most_bytes()).contains(&bytes) {
            Ok(Self { id, media, bytes })
        } else {
            Err(Refusal::AttachmentTooLarge { most: media.most_bytes() })
        }
    }

    /// Holds what was uploaded, by its size and its first bytes, to what was announced.
    pub fn check(&self, uploaded: Option<(u64, &[u8])>) -> Result<(), Refusal> {
        let (bytes, first) = uploaded.ok_or(Refusal::AttachmentMissing)?;
        let same = bytes == u64::from(self.bytes) && self.media.begins_like(first);
        if same { Ok(()) } else { Err(Refusal::AttachmentFalse) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Media; 5] = [Media::Jpeg, Media::Png, Media::Webp, Media::Mp4, Media::Pdf];

    #[test]
    fn a_file_is_told_by_its_first_bytes_whatever_it_claims() {
        let files: [&[u8]; 5] = [
            &[0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F'],
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"RIFF\x24\0\0\0WEBPVP8 ",
            b"\0\0\0\x20ftypisom\0\0\x02\0",
            b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
        ];
        for (n, file) in files.iter().enumerate() {
            let fits: Vec<bool> = ALL.iter().map(|media| media.begins_like(file)).collect();
            let only: Vec<bool> = (0..5).map(|m| m == n).collect();
            assert_eq!(fits, only);
        }
        for file in [&b""[..], b"MZ\x90\0", b"<html><script>", b"RIFF\0\0\0\0WAVE", b"PK\x03\x04"] {
            assert!(ALL.iter().all(|media| !media.begins_like(file)), "{file:?}");
        }
    }

    #[test]
    fn a_type_is_written_as_http_writes_it() {
        for media in ALL {
            assert_eq!(serde_json::to_value(media).unwrap(), media.as_str());
        }
    }

    #[test]
    fn what_is_empty_too_large_or_not_what_was_announced_is_refused() {
        let id = RowKey::of("attachment", &["1"]);
        let most = Media::Png.most_bytes();
        assert!(Attachment::new(id, Media::Png, 0).is_err() && Attachment::new(id, Media::Png, most + 1).is_err());
        let picture = Attachment::new(id, Media::Png, 100).unwrap();
        let first = b"\x89PNG\r\n\x1a\n";
        assert_eq!(picture.check(Some((100, first))), Ok(()));
        assert_eq!(picture.check(Some((99, first))), Err(Refusal::AttachmentFalse));
        assert_eq!(picture.check(Some((100, b"MZ"))), Err(Refusal::AttachmentFalse));
        assert_eq!(picture.check(None), Err(Refusal::AttachmentMissing));
    }
}

//! Recognises binary files by their first bytes.

const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (or a format built on it)"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"BZh", "bzip2-compressed"),
    (b"\xfd7zXZ\0", "xz-compressed"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x7fELF", "an ELF program or library"),
    (b"MZ", "a Windows program or library"),
    (b"\xca\xfe\xba\xbe", "a Java class or universal binary"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O program or library"),
    (b"\0asm", "a WebAssembly module"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"wOFF", "a WOFF font"),
    (b"wOF2", "a WOFF2 font"),
    (b"OggS", "Ogg media"),
    (b"ID3", "MP3 audio"),
    (b"RIFF", "RIFF media (WAV, AVI or WebP)"),
    (b"\xff\xfe", "UTF-16 text (little endian)"),
    (b"\xfe\xff", "UTF-16 text (big endian)"),
];

/// The kind of a binary file, or `None` for text. A file is binary when its first 8,000 bytes contain a NUL byte, which is
/// git's rule, or when it is a PDF, which often contains none.
pub(crate) fn binary(content: &[u8]) -> Option<&'static str> {
    let head = &content[..content.len().min(8_000)];
    if memchr::memchr(0, head).is_none() && !head.starts_with(b"%PDF-") {
        return None;
    }
    let known = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature));
    Some(known.map_or("of unknown type", |(_, name)| name))
}

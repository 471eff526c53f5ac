//! The golden files of the formats.

use data_encoding::HEXLOWER;

/// A file that is one value, over several lines.
pub(crate) fn whole(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    HEXLOWER.decode(&digits).expect("golden files are hexadecimal")
}

/// A file of lines that end with a value: what stands before it, and the value.
pub(crate) fn lines(file: &str) -> impl Iterator<Item = (&str, Vec<u8>)> {
    file.lines().filter_map(|line| line.rsplit_once(' ')).map(|(name, hex)| (name, whole(hex)))
}

/// The values of such a file.
pub(crate) fn values(file: &str) -> Vec<Vec<u8>> {
    lines(file).map(|(_, value)| value).collect()
}

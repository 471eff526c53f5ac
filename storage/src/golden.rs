//! Golden files: formats that are on disks somewhere don't change by accident.

use std::fmt::Write;

/// Compares `bytes` with `tests/golden/<name>.hex`; `HANSARD_BLESS=1` writes it.
pub(crate) fn check(name: &str, bytes: &[u8]) {
    let path = format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let mut hex = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(hex, "{byte:02x}").expect("strings take everything");
        }
        hex.push('\n');
    }
    if std::env::var_os("HANSARD_BLESS").is_some() {
        std::fs::write(&path, &hex).expect("golden files can be written");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file is there");
    assert_eq!(hex, golden, "{name} changed: a new format needs a new version");
}

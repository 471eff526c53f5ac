//! What counts depend on beside our code.

use std::fmt;
use std::process::Command;

/// The processor's features that libraries choose their code by. Callgrind's processor lacks some of the real one's, such as
/// SHA-NI: hashes are counted as they are computed without.
pub(crate) fn features() -> String {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    for (name, there) in [
        ("ssse3", is_x86_feature_detected!("ssse3")),
        ("sse4.2", is_x86_feature_detected!("sse4.2")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
        ("sha", is_x86_feature_detected!("sha")),
    ] {
        if there {
            found.push(name);
        }
    }
    found.join(" ")
}

/// Where a count was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) compiler: String,
    /// Allocation and copies are its.
    pub(crate) libc: String,
    pub(crate) features: String,
}

impl Place {
    /// This machine, with the features that the program saw under callgrind.
    pub(crate) fn here(features: &str) -> Place {
        let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
        let libc = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
        Place { compiler: env!("COMPILER").to_owned(), libc, features: features.to_owned() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.compiler, self.libc, self.features)
    }
}

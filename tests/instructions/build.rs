//! Which compiler made this program: its instructions are compared only with those of the same.

use std::process::Command;

fn main() {
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(compiler).arg("--version").output().expect("the compiler says its version");
    println!("cargo:rustc-env=COMPILER={}", String::from_utf8_lossy(&version.stdout).trim());
    println!("cargo:rerun-if-changed=build.rs");
}

//! Lets the process's own `getrandom` and `clock_gettime` be found by libraries that look them up by name.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for symbol in ["getrandom", "clock_gettime"] {
        println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol={symbol}");
    }
}

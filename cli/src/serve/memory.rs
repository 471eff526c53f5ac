//! How a server's memory is laid out.

/// Asks the kernel for small pages. Buffers come and go by the kilobyte: huge pages are zeroed by two megabytes to hold little, which
/// costs a third more memory and 5 % of a busy node's time. A kernel that has no say in it changes nothing.
pub(super) fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay as the system sets them");
    }
}

//! A panic in any task or thread is a broken invariant. The process reports it and ends; the cluster is built to lose a
//! process, not to live with one that lies.

use std::backtrace::Backtrace;
use std::panic;

/// Makes every panic log itself with its place and then abort the process. For server processes, not for tests.
pub fn abort_on_panic() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info
            .payload()
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| info.payload().downcast_ref::<String>().cloned())
            .unwrap_or_default();
        tracing::error!(%place, backtrace = %Backtrace::force_capture(), "panic, the process ends: {message}");
        default(info);
        std::process::abort();
    }));
}

//! What a process that simulated one seed has told, once it has ended.

use std::process::Output;

/// The violations, each `invariant: what`.
pub(crate) fn violations(output: &Output) -> Vec<String> {
    let violations = lines(&output.stdout, "VIOLATION ");
    // A panic while another one unwinds ends the process by a signal, before it can say more than that.
    if violations.is_empty() && output.status.code().is_none() {
        return lines(&output.stderr, "PANIC on ").iter().map(|panic| format!("no_panics: {panic}")).collect();
    }
    violations
}

/// The rest of each line that begins so.
fn lines(bytes: &[u8], prefix: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    /// What `wait` says of an exit with 1, and of an abort.
    const FAILURE: i32 = 1 << 8;
    const ABORT: i32 = 6;

    fn told(status: i32, stdout: &str, stderr: &str) -> Vec<String> {
        violations(&Output { status: ExitStatus::from_raw(status), stdout: stdout.into(), stderr: stderr.into() })
    }

    #[test]
    fn only_a_violation_or_a_panic_that_ended_all_counts() {
        let stdout = "VIOLATION durable: node1 had synced\nVIOLATION pages: old\nfaults: kill 1\nseed=1 violations=2\n";
        assert_eq!(told(FAILURE, stdout, "PANIC on node1: no"), ["durable: node1 had synced", "pages: old"]);
        let panic = "PANIC on node2: index out of bounds\nthread panicked while panicking\n";
        assert_eq!(told(ABORT, "", panic), ["no_panics: node2: index out of bounds"]);
        // A node may panic on damaged data; what failed here is the simulation.
        assert_eq!(told(FAILURE, "", panic), [""; 0]);
        assert_eq!(told(ABORT, "", "Error: no VIOLATION here\n"), [""; 0]);
    }
}

# Sums the result lines of cargo's tests, and of steps that say "step result: ok" or "step result: FAILED".
# Given -v failed_runs=N, the runs that ended badly: when no test says that it failed, each of them counts as one
# (a crash, or code that does not compile).
/^test result: / {
    for (field = 1; field < NF; field++) {
        if ($(field + 1) ~ /^passed/) passed += $field
        if ($(field + 1) ~ /^failed/) failed += $field
    }
}
/^step result: ok/ { passed++ }
/^step result: FAILED/ { failed++ }
END {
    if (failed == 0) failed += failed_runs
    printf "%d passed, %d failed\n", passed, failed
    exit failed > 0
}

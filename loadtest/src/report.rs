//! The report of a load test: a table, or one JSON object.

use anyhow::Result;
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    args::{Common, Output},
    latency::Percentiles,
    meter::{Costs, ProcessCost},
};

/// Figures in the order in which they are shown.
pub(crate) struct Report {
    figures: Vec<(String, Value)>,
    processes: Vec<ProcessCost>,
    warnings: Vec<String>,
    failures: Vec<String>,
}

/// A figure with as many digits as mean something.
pub(crate) fn rounded(value: f64) -> Value {
    let scale = if value.abs() >= 100.0 { 10.0 } else { 1_000.0 };
    json!((value * scale).round() / scale)
}

impl Report {
    pub(crate) fn new(test: &str, common: &Common) -> Self {
        let mut report =
            Self { figures: Vec::new(), processes: Vec::new(), warnings: Vec::new(), failures: Vec::new() };
        report.add("test", test);
        report.add("warmup_seconds", common.warmup);
        report
    }

    /// Adds a figure.
    pub(crate) fn add(&mut self, key: &str, value: impl Serialize) {
        self.figures.push((key.to_owned(), json!(value)));
    }

    /// Adds a figure that is not always known.
    pub(crate) fn add_rounded(&mut self, key: &str, value: impl Into<Option<f64>>) {
        let value = value.into().filter(|value| value.is_finite());
        self.figures.push((key.to_owned(), value.map_or(Value::Null, rounded)));
    }

    /// Adds percentiles, milliseconds.
    pub(crate) fn add_latencies(&mut self, name: &str, found: Percentiles) {
        for (percentile, value) in [
            ("p50", found.p50),
            ("p90", found.p90),
            ("p99", found.p99),
            ("p999", found.p999),
            ("max", found.max),
            ("mean", found.mean),
        ] {
            self.add_rounded(&format!("{name}_{percentile}_ms"), value);
        }
    }

    /// Adds what it cost, in all and per `unit`, of which there were so many.
    pub(crate) fn add_costs(&mut self, unit: &str, count: u64, costs: Costs) {
        let per = |total: u64| (count > 0).then(|| total as f64 / count as f64);
        let servers = costs.servers;
        self.add_rounded(&format!("server_cpu_us_per_{unit}"), servers.and_then(|servers| per(servers.cpu_us)));
        self.add_rounded(&format!("client_cpu_us_per_{unit}"), per(costs.client_cpu_us));
        self.add_rounded(&format!("written_bytes_per_{unit}"), servers.and_then(|servers| per(servers.written_bytes)));
        let fsyncs = servers.and_then(|servers| servers.fsyncs);
        self.add_rounded(&format!("fsyncs_per_{unit}"), fsyncs.and_then(per));
        self.add_rounded("fsyncs_per_second", fsyncs.map(|fsyncs| fsyncs as f64 / costs.elapsed.as_secs_f64()));
        self.add("server_rss_bytes", servers.map(|servers| servers.rss_bytes));
        self.add_rounded("measured_seconds", costs.elapsed.as_secs_f64());
        if costs.client_bound() {
            self.warn("the client's one thread was busy all the time: it, not the servers, was the bottleneck");
        }
        self.processes = costs.processes;
    }

    /// Something that makes the figures worth less.
    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// A promise or a threshold that was broken.
    pub(crate) fn fail(&mut self, failure: impl Into<String>) {
        self.failures.push(failure.into());
    }

    /// Compares figures with the thresholds that were given.
    pub(crate) fn check(&mut self, common: &Common, rate: &str, p99: &str, cpu: &str) {
        let figure =
            |key: &str| self.figures.iter().find(|(found, _)| found == key).and_then(|(_, value)| value.as_f64());
        let mut failures = Vec::new();
        for (key, most) in [(p99, common.max_p99_ms), (cpu, common.max_server_cpu_us)] {
            match (figure(key), most) {
                (Some(found), Some(most)) if found > most => failures.push(format!("{key} is {found}, above {most}")),
                (None, Some(_)) => failures.push(format!("{key} is not known, so its threshold can't be checked")),
                _ => {}
            }
        }
        if let Some(least) = common.min_rate
            && figure(rate).is_none_or(|found| found < least)
        {
            failures.push(format!("{rate} is {}, below {least}", figure(rate).unwrap_or(0.0)));
        }
        self.failures.extend(failures);
    }

    /// Prints everything; returns whether nothing was broken.
    pub(crate) fn print(mut self, output: Output) -> Result<bool> {
        let passed = self.failures.is_empty();
        self.add("passed", passed);
        match output {
            Output::Json => println!("{}", self.json()?),
            Output::Table => self.tables(),
        }
        for warning in &self.warnings {
            eprintln!("warning: {warning}");
        }
        for failure in &self.failures {
            eprintln!("failed: {failure}");
        }
        Ok(passed)
    }

    fn json(&self) -> Result<String> {
        let mut object: Map<_, _> = self.figures.iter().cloned().collect();
        object.insert("processes".into(), serde_json::to_value(&self.processes)?);
        object.insert("warnings".into(), json!(self.warnings));
        object.insert("failures".into(), json!(self.failures));
        Ok(serde_json::to_string(&object)?)
    }

    fn tables(&self) {
        let mut figures = Table::new();
        figures.load_preset(presets::NOTHING);
        for (key, value) in &self.figures {
            let shown = match value {
                Value::Null => "-".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            figures.add_row([key.clone(), shown]);
        }
        println!("{figures}");
        if self.processes.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(["PROCESS", "PID", "CPU %", "RSS MB", "WRITTEN MB"]);
        for process in &self.processes {
            table.add_row([
                process.name.clone(),
                process.pid.to_string(),
                format!("{:.1}", process.cpu_percent),
                format!("{:.1}", process.rss_bytes as f64 / 1e6),
                format!("{:.1}", process.written_bytes as f64 / 1e6),
            ]);
        }
        println!("\n{table}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::{LoadCommand, meter::ServerCosts};

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: LoadCommand,
    }

    fn common(line: &str) -> Common {
        match Cli::parse_from(line.split_whitespace()).command {
            LoadCommand::Append(args) => args.common,
            _ => panic!(),
        }
    }

    fn report(common: &Common) -> Report {
        let mut report = Report::new("append", common);
        report.add_rounded("rate", 1_234.567);
        report.add_latencies("ack", Percentiles { p99: 12.3456, ..Percentiles::default() });
        let servers = ServerCosts { cpu_us: 6_000, written_bytes: 900, fsyncs: Some(5), ..ServerCosts::default() };
        let elapsed = Duration::from_secs(1);
        let costs = Costs { elapsed, servers: Some(servers), client_cpu_us: 950_000, processes: Vec::new() };
        report.add_costs("message", 100, costs);
        report
    }

    #[test]
    fn has_the_promised_keys() {
        let report = report(&common("load append"));
        let json: Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["rate"], 1_234.6);
        assert_eq!(json["ack_p99_ms"], 12.346);
        assert_eq!(json["server_cpu_us_per_message"], 60.0);
        assert_eq!((&json["written_bytes_per_message"], &json["fsyncs_per_message"]), (&json!(9.0), &json!(0.05)));
        for key in ["ack_p50_ms", "ack_p999_ms", "client_cpu_us_per_message"] {
            assert!(json[key].is_number(), "{key}");
        }
        assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn thresholds_are_checked() {
        let failures = |line: &str| {
            let common = common(line);
            let mut report = report(&common);
            report.check(&common, "rate", "ack_p99_ms", "server_cpu_us_per_message");
            report.failures.len()
        };
        assert_eq!(failures("load append --max-p99-ms 13 --max-server-cpu-us 60 --min-rate 1000"), 0);
        assert_eq!(failures("load append --max-p99-ms 12"), 1);
        assert_eq!(failures("load append --max-server-cpu-us 59.9"), 1);
        assert_eq!(failures("load append --min-rate 1300"), 1);
    }
}

//! What a person sees of a development cluster.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use super::layout::Layout;
use super::people;
use super::plan::Plan;
use super::supervisor::ChildStatus;
use crate::connect::Output;

/// Text with emphasis, where the terminal shows any.
struct Ink {
    on: bool,
}

impl Ink {
    fn new() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { on: std::io::stdout().is_terminal() && !refused }
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn green(&self, text: &str) -> String {
        self.paint("1;32", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that went away is no reason to stop the cluster.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

pub(super) fn starting(plan: &Plan, layout: &Layout) {
    let (nodes, routers) = (plan.nodes.len(), plan.routers.len());
    say(&format!("Starting {nodes} nodes and {routers} routers on {} …", near(layout.data())));
}

pub(super) fn stopping() {
    say("\nStopping; everything is kept.");
}

/// Something that happened.
pub(super) fn news(text: &str) {
    say(&Ink::new().bold(text));
}

/// What a process said.
pub(super) fn quote(text: &str) {
    say(&Ink::new().dim(text));
}

/// The cluster serves: where everything is, and what to type.
pub(super) fn ready(plan: &Plan, layout: &Layout, took: Duration, pid: impl Fn(&str) -> u32) {
    let ink = Ink::new();
    let mut text = format!("\n{} in {:.1} s. Ctrl-C stops it.\n\n", ink.green("Hansard serves"), took.as_secs_f64());
    let mut table = Table::new();
    table.load_preset(NOTHING);
    for router in &plan.routers {
        table.add_row([
            format!("  {}", router.name),
            router.site.to_owned(),
            format!("pid {}", pid(&router.name)),
            router.grpc_url(),
            router.ws_url(),
        ]);
    }
    for node in &plan.nodes {
        table.add_row([
            format!("  {}", node.name),
            node.site.to_owned(),
            format!("pid {}", pid(&node.name)),
            node.address("rpc"),
            node.metrics_url(),
        ]);
    }
    text.push_str(&table.to_string());
    text.push_str(&how_to_talk(&ink, layout));
    text.push_str(&format!("\n  {}\n", ink.dim(&format!("Logs are in {}.", near(&layout.logs())))));
    say(&text);
}

fn how_to_talk(ink: &Ink, layout: &Layout) -> String {
    let flag = layout.flag();
    let program = match people::unknown_directory() {
        Some(directory) => format!("{directory}/hansard"),
        None => "hansard".to_owned(),
    };
    format!(
        "\n\n  {} {}\n\
         \x20   eval \"$({program} dev env alice{flag})\"\n\
         \x20   hansard room create general            {}\n\
         \x20   hansard room invite ROOM bob\n\
         \x20   hansard send ROOM \"hello, Denver\"\n\
         \n  {} {}\n\
         \x20   eval \"$({program} dev env bob{flag})\"\n\
         \x20   hansard tail ROOM\n\
         \n  {}\n\
         \x20   hansard cluster status\n\
         \x20   kill -9 $(pgrep -f node2.toml)         {}\n\
         \x20   hansard dev restart node2{flag}\n",
        ink.bold("Terminal 1"),
        ink.dim("alice in Boston, who may also operate the cluster"),
        ink.dim("# prints the room's id; put it for ROOM"),
        ink.bold("Terminal 2"),
        ink.dim("bob in Denver"),
        ink.bold("Try to break it"),
        ink.dim("# the talk goes on"),
    )
}

/// A path as a person in the current directory would write it.
fn near(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match path.strip_prefix(&here) {
        Ok(rest) => format!("./{}", rest.display()),
        Err(_) => path.display().to_string(),
    }
}

/// `hansard dev status`.
pub(super) fn status(children: &[ChildStatus], output: Output) -> Result<()> {
    match output {
        Output::Json => children.iter().try_for_each(|child| {
            say(&serde_json::to_string(child)?);
            Ok(())
        }),
        Output::Table => {
            let mut table = Table::new();
            table.load_preset(NOTHING).set_header(["NAME", "SITE", "PID", "ADDRESS", "STATE"]);
            for child in children {
                let pid = if child.pid == 0 { "-".to_owned() } else { child.pid.to_string() };
                table.add_row([&child.name, &child.site, &pid, &child.address, &child.state]);
            }
            say(&table.to_string());
            Ok(())
        }
    }
}

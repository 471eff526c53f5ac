//! What can be typed: the tree of commands.

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use hansard_loadtest::LoadCommand;

use crate::client::ClientCommand;
use crate::dev::DevArgs;
use crate::exit;
use crate::serve::{NodeArgs, RouterArgs};
use crate::token::TokenCommand;

/// A replicated messaging backend whose audit log is the message store.
#[derive(Debug, Parser)]
#[command(name = "hansard", version, max_term_width = 110, after_help = exit::HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node: keeps shards of the record and agrees on them with the other nodes.
    ///
    /// Settings come from the file given by --config (TOML), over it the environment (HANSARD_ and the flag's name, such
    /// as HANSARD_LISTEN), over it the flags. Unknown keys are refused.
    Node(Box<NodeArgs>),
    /// Run a router: the stateless edge that people's clients connect to.
    ///
    /// Settings come from the file given by --config (TOML), over it the environment (HANSARD_ and the flag's name, such
    /// as HANSARD_NODES), over it the flags. Unknown keys are refused.
    Router(Box<RouterArgs>),
    /// Run a whole cluster on this machine, for development.
    ///
    /// Starts nodes and routers as processes on loopback, with certificates and tokens of their own, and stays in the
    /// foreground until Ctrl-C. Everything is kept under the data directory; starting it again goes on where it ended.
    Dev(DevArgs),
    /// Issue and revoke the tokens by which people log in.
    #[command(subcommand)]
    Token(TokenCommand),
    #[command(flatten)]
    Client(ClientCommand),
    /// Load a cluster, and count in the same run whether everything arrived once and in order.
    #[command(subcommand)]
    Load(LoadCommand),
    /// Print a completion script for a shell, such as: hansard completions bash > ~/.local/share/bash-completion/completions/hansard
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_explains_itself() {
        fn check(command: &clap::Command) {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no help");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {} has no help", argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        Cli::command().get_subcommands().for_each(check);
    }
}

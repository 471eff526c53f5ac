//! The commands that talk to a router, over the SDK.

mod advice;
mod args;
mod cluster;
mod history;
mod names;
mod people;
mod render;
mod rooms;
mod tail;
mod talk;

use anyhow::Result;

pub(crate) use advice::advice;
pub(crate) use args::ClientCommand;
pub(crate) use names::{new_person_id, person_id};

use crate::exit::Exit;

/// Runs a command to its end. What the cluster refuses is a [`hansard_client::ClientError`].
pub(crate) async fn run(command: ClientCommand) -> Result<Exit> {
    match command {
        ClientCommand::Room(args) => rooms::run(&args.options, &args.repeat, args.command).await,
        ClientCommand::Dm(args) => rooms::dm(&args).await,
        ClientCommand::Send(args) => talk::send(&args).await,
        ClientCommand::Tail(args) => tail::run(&args).await,
        ClientCommand::History(args) => history::run(&args).await,
        ClientCommand::Edit(args) => talk::edit(&args).await,
        ClientCommand::Redact(args) => talk::redact(&args).await,
        ClientCommand::Read(args) => talk::read(&args).await,
        ClientCommand::Unread(args) => talk::unread(&args).await,
        ClientCommand::People(args) => people::run(&args.options).await,
        ClientCommand::Cluster(args) => cluster::run(&args.options, &args.repeat, args.command).await,
    }?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::args::{ClientCommand, RoomCommand, TailFrom};
    use crate::connect::Output;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: ClientCommand,
    }

    fn parse(line: &str) -> Result<ClientCommand, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
    }

    #[test]
    fn takes_options_anywhere() {
        for line in [
            "hansard room create ops --public --router http://a:1,http://b:2 --token t --output json",
            "hansard room --router http://a:1,http://b:2 --output json --token t create ops --public",
        ] {
            let Ok(ClientCommand::Room(room)) = parse(line) else { panic!("{line}") };
            assert_eq!(room.options.router, ["http://a:1", "http://b:2"]);
            assert_eq!(room.options.output, Output::Json);
            assert!(matches!(room.command, RoomCommand::Create { public: true, .. }));
        }
    }

    #[test]
    fn tails_from_the_first_entry_unless_told() {
        let from = |line: &str| match parse(line).unwrap() {
            ClientCommand::Tail(tail) => tail.from,
            other => panic!("{other:?}"),
        };
        assert_eq!(from("hansard tail R"), TailFrom::Seq(1));
        assert_eq!(from("hansard tail R --from now"), TailFrom::Now);
        assert_eq!(from("hansard tail R --from 17 --count 3"), TailFrom::Seq(17));
        assert!(parse("hansard tail R --from then").is_err());
        assert!(parse("hansard history R --after 1 --before 2").is_err());
    }
}

//! `hansard token`: the first form of identity, tokens signed by a key of one's own.

mod duration;
mod issue;
mod key;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use hansard_client::v1::revoke_token_request::Target;
pub(crate) use issue::{Grant, issue, now_s};
pub(crate) use key::SigningKey;

use crate::client::{new_person_id, person_id};
use crate::connect::{ConnectArgs, Output, RepeatArgs};
use crate::dev::Layout;
use crate::exit::{Exit, Failure};

/// Who issues the tokens of a development cluster.
pub(crate) const DEV_ISSUER: &str = "https://dev.hansard.internal";
/// What tokens are for, unless somebody says otherwise.
pub(crate) const AUDIENCE: &str = "hansard";

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Issue a token and print it.
    Issue(IssueArgs),
    /// Revoke a token, or all tokens that a person was issued until now. Live sessions end within a second.
    ///
    /// Tokens tell their issue in whole seconds: those of this very second are revoked too. Issue a new one a second later.
    ///
    /// Needs the token of an operator.
    Revoke(RevokeArgs),
}

/// What a person may do beyond talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Operate the cluster and revoke tokens.
    Operator,
}

#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    /// Whom the token speaks for, by the name the issuer knows them by.
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// What the person may do beyond talking.
    #[arg(long, value_enum)]
    role: Option<RoleName>,
    /// How long the token holds, such as 15m, 12h or 30d.
    #[arg(long, default_value = "30d", value_parser = duration::parse, value_name = "TIME")]
    ttl: std::time::Duration,
    /// The data directory of the development cluster whose key signs.
    #[arg(long, default_value = "./data", value_name = "DIR")]
    data: PathBuf,
    /// The signing key, an Ed25519 private key as PKCS #8 PEM [default: dev/signing.key in the data directory].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Who says so: the iss claim, which routers compare.
    #[arg(long, default_value = DEV_ISSUER, value_name = "URL")]
    issuer: String,
    /// Whom the token is for: the aud claim, which routers compare.
    #[arg(long, default_value = AUDIENCE, value_name = "NAME")]
    audience: String,
    /// How to write the result: the bare token, or an object with its id and expiry too.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The token's id: its jti claim, which `token issue --output json` prints.
    #[arg(long, value_name = "ID", conflicts_with = "person", required_unless_present = "person")]
    id: Option<String>,
    /// The person, by id (32 hexadecimal digits) or by subject.
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,
    /// The person may never have come: the tokens are revoked that a subject which nobody has had yet was issued.
    #[arg(long, requires = "person")]
    unseen: bool,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    repeat: RepeatArgs,
}

/// Runs a token command.
pub(crate) async fn run(command: TokenCommand) -> Result<Exit> {
    match command {
        TokenCommand::Issue(args) => issue_token(&args)?,
        TokenCommand::Revoke(args) => revoke(args).await?,
    }
    Ok(Exit::Ok)
}

fn issue_token(args: &IssueArgs) -> Result<()> {
    let path = args.key.clone().unwrap_or_else(|| Layout::new(&args.data).signing_key());
    let key = SigningKey::load(&path)?;
    let grant = Grant {
        issuer: &args.issuer,
        audience: &args.audience,
        subject: &args.subject,
        operator: args.role == Some(RoleName::Operator),
        ttl: args.ttl,
    };
    let token = issue(&key, &grant, now_s())?;
    match args.output {
        Output::Table => println!("{}", token.text),
        Output::Json => println!(
            "{}",
            serde_json::json!({ "token": token.text, "id": token.id, "subject": args.subject, "expires": token.expires_s })
        ),
    }
    Ok(())
}

async fn revoke(args: RevokeArgs) -> Result<()> {
    let client = args.repeat.with(args.connect.connect().await?);
    let (target, said) = match (args.id, args.person) {
        (Some(id), _) => (Target::TokenId(id.clone()), format!("token {id}")),
        (None, Some(person)) => {
            let id = match args.unseen {
                true => new_person_id(&client, &person).await?,
                false => person_id(&client, &person).await?,
            };
            (Target::Person(id), format!("every token that {person} was issued until now"))
        }
        (None, None) => {
            return Err(Failure::usage("say what to revoke with --id or --person").into());
        }
    };
    client.revoke(target).await?;
    match args.connect.output {
        Output::Table => println!("revoked {said}"),
        Output::Json => println!("{{}}"),
    }
    Ok(())
}

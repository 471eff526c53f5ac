//! How the client commands reach a cluster: `--router`, `--token`, `--ca`, `--output`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use hansard_client::{Client, Config, RequestId, Token, TokenFuture};

use crate::exit::Failure;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// ProtoJSON, an object a line.
    Json,
}

/// Where the cluster is, and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectArgs {
    /// Routers to use, separated by commas, such as http://127.0.0.1:7500; the next is tried when one fails.
    #[arg(long, env = "HANSARD_ROUTER", value_delimiter = ',', value_name = "URL", global = true)]
    pub(crate) router: Vec<String>,
    /// The token that says who asks; better given by environment, where other users of this machine do not see it.
    #[arg(long, env = "HANSARD_TOKEN", hide_env_values = true, value_name = "TOKEN", global = true)]
    pub(crate) token: Option<String>,
    /// A file that holds the token; read anew whenever a session begins.
    #[arg(long, env = "HANSARD_TOKEN_FILE", value_name = "FILE", conflicts_with = "token", global = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// A file of authorities (PEM) to trust for https routers.
    #[arg(long, env = "HANSARD_CA", value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,
    /// How to write results.
    #[arg(long, env = "HANSARD_OUTPUT", value_enum, default_value_t, global = true)]
    pub(crate) output: Output,
}

/// For commands that change something.
#[derive(Debug, Clone, Args)]
pub(crate) struct RepeatArgs {
    /// The request id that a command printed whose outcome is unknown. With it the same command has one effect, however often it is
    /// repeated, and prints what came of it.
    #[arg(long, value_name = "ID", global = true)]
    pub(crate) request_id: Option<RequestId>,
}

impl RepeatArgs {
    /// The client to do it with.
    pub(crate) fn with(&self, client: Client) -> Client {
        self.request_id.map_or(client.clone(), |id| client.with_request_id(id))
    }
}

impl ConnectArgs {
    /// The SDK's configuration; refused when no router or token was given.
    pub(crate) fn config(&self) -> Result<Config> {
        if self.router.iter().all(String::is_empty) {
            return Err(Failure::usage(
                "no router was named; give --router http://host:port or set HANSARD_ROUTER (under `hansard dev`: \
                 eval \"$(hansard dev env alice)\")",
            )
            .into());
        }
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => Token::Fixed(token.trim().to_owned()),
            (None, Some(file)) => kept_in(file)?,
            (None, None) => {
                return Err(Failure::usage(
                    "no token was given; set HANSARD_TOKEN or give --token (under `hansard dev`: eval \"$(hansard \
                     dev env alice)\")",
                )
                .into());
            }
        };
        let mut config = Config::new(self.router.iter().filter(|router| !router.is_empty()), "");
        config.token = token;
        config.agent = concat!("hansard/", env!("CARGO_PKG_VERSION")).to_owned();
        if let Some(ca) = &self.ca {
            config.ca_pem = Some(std::fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?);
        }
        Ok(config)
    }

    /// A connected client. Tries for as long as a send would.
    pub(crate) async fn connect(&self) -> Result<Client> {
        let mut config = self.config()?;
        config.connect_deadline = Duration::from_secs(30);
        Ok(Client::connect(config).await?)
    }
}

/// The token in a file, read anew before every session: whoever keeps the file fresh keeps a long command admitted.
fn kept_in(file: &Path) -> Result<Token> {
    read_token(file)?;
    let file = file.to_owned();
    let read = move || {
        let token = read_token(&file).map_err(|error| format!("{error:#}"));
        Box::pin(std::future::ready(token)) as TokenFuture
    };
    Ok(Token::Provider(Arc::new(read)))
}

fn read_token(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read the token from {}", file.display()))?;
    Ok(text.trim().to_owned())
}

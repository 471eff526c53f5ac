//! `hansard people`.

use super::render;
use crate::connect::{ConnectArgs, Output};

/// How many people a page asks for.
const PAGE: i32 = 1_000;

/// Lists all people.
pub(crate) async fn run(options: &ConnectArgs) -> anyhow::Result<()> {
    let client = options.connect().await?;
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = client.people(PAGE, &token).await?;
        if options.output == Output::Json {
            page.people.iter().try_for_each(render::message)?;
        } else {
            all.extend(page.people);
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    if options.output == Output::Table {
        let rows = all.into_iter().map(|person| vec![person.id, person.subject, person.issuer]);
        render::table(&["id", "subject", "issuer"], rows)?;
    }
    Ok(())
}

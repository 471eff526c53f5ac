//! `hansard send`, `edit`, `redact`, `read` and `unread`.

use anyhow::Context;
use hansard_client::{
    Client,
    v1::{Commit, MarkReadResponse, Unread},
};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{
    args::{EditArgs, ReadArgs, RedactArgs, SendArgs, UnreadArgs},
    render,
    rooms::show_commit,
};
use crate::connect::Output;
use crate::exit::Failure;

/// Says something, or each line of standard input, one after the other so that their order is kept.
pub(crate) async fn send(args: &SendArgs) -> anyhow::Result<()> {
    if args.text == "-" && args.repeat.request_id.is_some() {
        return Err(Failure::usage("a request id is for one message: give its text, not `-`").into());
    }
    let client = args.repeat.with(args.options.connect().await?);
    if args.text != "-" {
        return send_one(&client, args, args.text.clone()).await;
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.context("can't read standard input")? {
        if !line.is_empty() {
            send_one(&client, args, line).await?;
        }
    }
    Ok(())
}

async fn send_one(client: &Client, args: &SendArgs, text: String) -> anyhow::Result<()> {
    let receipt = client.send(&args.room, text).await?;
    show_commit(&args.options, &Commit { room: receipt.room, seq: receipt.seq, time: receipt.time })
}

/// Puts a new text in the place of a message.
pub(crate) async fn edit(args: &EditArgs) -> anyhow::Result<()> {
    let client = args.repeat.with(args.options.connect().await?);
    let commit = client.edit(&args.room, args.seq, &args.text).await?;
    show_commit(&args.options, &commit)
}

/// Hides a message.
pub(crate) async fn redact(args: &RedactArgs) -> anyhow::Result<()> {
    let client = args.repeat.with(args.options.connect().await?);
    let commit = client.redact(&args.room, args.seq, &args.reason).await?;
    show_commit(&args.options, &commit)
}

/// Moves the read mark.
pub(crate) async fn read(args: &ReadArgs) -> anyhow::Result<()> {
    let client = args.repeat.with(args.options.connect().await?);
    let seq = client.mark_read(&args.room, args.seq).await?;
    match args.options.output {
        Output::Json => render::message(&MarkReadResponse { seq }),
        Output::Table => Ok(render::line(&format!("read up to {seq}"))?),
    }
}

/// Shows what is unread.
pub(crate) async fn unread(args: &UnreadArgs) -> anyhow::Result<()> {
    let client = args.options.connect().await?;
    let (mut all, mut token) = (Vec::<Unread>::new(), String::new());
    loop {
        let page = client.unread(&args.rooms, 1_000, &token).await?;
        all.extend(page.unread);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    if args.options.output == Output::Json {
        return all.iter().try_for_each(render::message);
    }
    let rows = all.into_iter().map(|unread| {
        vec![unread.room, unread.messages.to_string(), unread.read_seq.to_string(), unread.head_seq.to_string()]
    });
    Ok(render::table(&["room", "unread", "read", "head"], rows)?)
}

//! The socket through which `hansard dev restart` and `hansard dev status` reach a running `hansard dev`: a line of JSON
//! there, a line of JSON back.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::layout::Layout;
use super::supervisor::{Answer, ChildStatus};

/// The longest request and answer, bytes.
const LINE_BYTES: u64 = 1 << 20;
/// The longest that an answer may take; a restart drains, replays and gets ready.
const ANSWER_BOUND: Duration = Duration::from_secs(150);

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Restart(String),
    Status,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Response {
    Done(String),
    Status(Vec<ChildStatus>),
    Failed(String),
}

/// What was asked, and where the answer goes.
pub(super) enum Asked {
    Restart(String, Answer),
    Status(oneshot::Sender<Vec<ChildStatus>>),
}

/// The socket's path by way of the open directory, because a socket's path may have 107 bytes and no more.
fn socket(layout: &Layout) -> io::Result<(File, PathBuf)> {
    let directory = File::open(layout.dev())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", directory.as_raw_fd()));
    Ok((directory, path))
}

/// Listens; what is asked comes out of the channel. The directory lets in nobody but the owner.
pub(super) fn listen(layout: &Layout) -> Result<mpsc::Receiver<Asked>> {
    let (_directory, path) = socket(layout)?;
    // The lock is held: a socket that is there is a leftover.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).context("cannot make the control socket")?;
    let (sender, asked) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, sender.clone()));
        }
    });
    Ok(asked)
}

async fn answer(mut stream: UnixStream, asked: mpsc::Sender<Asked>) {
    let mut line = String::new();
    let (reader, mut writer) = stream.split();
    if BufReader::new(reader.take(LINE_BYTES)).read_line(&mut line).await.is_err() {
        return;
    }
    let response = match serde_json::from_str(&line) {
        Ok(request) => {
            respond(request, &asked).await.unwrap_or_else(|| Response::Failed("the cluster is stopping".into()))
        }
        Err(error) => Response::Failed(format!("no such request: {error}")),
    };
    let mut text = serde_json::to_vec(&response).unwrap_or_default();
    text.push(b'\n');
    // The asker may have gone.
    let _ = writer.write_all(&text).await;
}

async fn respond(request: Request, asked: &mpsc::Sender<Asked>) -> Option<Response> {
    match request {
        Request::Restart(name) => {
            let (sender, answer) = oneshot::channel();
            asked.send(Asked::Restart(name, sender)).await.ok()?;
            Some(answer.await.ok()?.map_or_else(Response::Failed, Response::Done))
        }
        Request::Status => {
            let (sender, answer) = oneshot::channel();
            asked.send(Asked::Status(sender)).await.ok()?;
            Some(Response::Status(answer.await.ok()?))
        }
    }
}

/// Restarts a process of the cluster that runs on `layout`; returns what to tell the person.
pub(super) async fn restart(layout: &Layout, name: &str) -> Result<String> {
    match ask(layout, &Request::Restart(name.to_owned())).await? {
        Response::Done(text) => Ok(text),
        Response::Failed(why) => bail!("{why}"),
        Response::Status(_) => bail!("the running `hansard dev` is of another version"),
    }
}

/// What the processes of the cluster that runs on `layout` do.
pub(super) async fn status(layout: &Layout) -> Result<Vec<ChildStatus>> {
    match ask(layout, &Request::Status).await? {
        Response::Status(children) => Ok(children),
        Response::Failed(why) => bail!("{why}"),
        Response::Done(_) => bail!("the running `hansard dev` is of another version"),
    }
}

async fn ask(layout: &Layout, request: &Request) -> Result<Response> {
    let absent = || format!("no `hansard dev` runs on {}; name its directory with --data", layout.data().display());
    let (_directory, path) = socket(layout).with_context(absent)?;
    let mut stream = UnixStream::connect(&path).await.with_context(absent)?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream.take(LINE_BYTES));
    tokio::time::timeout(ANSWER_BOUND, reader.read_line(&mut line))
        .await
        .context("`hansard dev` does not answer")??;
    serde_json::from_str(&line).context("`hansard dev` ended before it answered")
}

#[cfg(test)]
mod tests {
    use super::super::files;
    use super::*;

    #[tokio::test]
    async fn questions_get_their_answers_however_long_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(&directory.path().join("x".repeat(120)));
        let error = restart(&layout, "node2").await.unwrap_err().to_string();
        assert!(error.contains("no `hansard dev` runs"), "{error}");
        files::private_directory(&layout.dev()).unwrap();
        let mut asked = listen(&layout).unwrap();
        tokio::spawn(async move {
            while let Some(question) = asked.recv().await {
                match question {
                    Asked::Restart(name, answer) if name == "node2" => answer.send(Ok("it runs".into())).unwrap(),
                    Asked::Restart(_, answer) => answer.send(Err("there is none".into())).unwrap(),
                    Asked::Status(answer) => answer.send(Vec::new()).unwrap(),
                }
            }
        });
        assert_eq!(restart(&layout, "node2").await.unwrap(), "it runs");
        assert!(restart(&layout, "node9").await.unwrap_err().to_string().contains("there is none"));
        assert!(status(&layout).await.unwrap().is_empty());
    }
}

//! `hansard room …` and `hansard dm`.

use hansard_client::{
    Client,
    v1::{Commit, Member, Role, Room, RoomFilter, Visibility},
};
use serde_json::Value;

use super::{
    args::{DmArgs, RoleName, RoomCommand},
    names::{Names, new_person_id, person_id},
    render,
};
use crate::connect::{ConnectArgs, Output, RepeatArgs};

/// How many entries a page asks for.
const PAGE: i32 = 1_000;

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Owner => Self::Owner,
            RoleName::Member => Self::Member,
            RoleName::Guest => Self::Guest,
        }
    }
}

/// Runs a room command.
pub(crate) async fn run(options: &ConnectArgs, repeat: &RepeatArgs, command: RoomCommand) -> anyhow::Result<()> {
    let client = repeat.with(options.connect().await?);
    let commit = match command {
        RoomCommand::Create { name, public, topic } => {
            let visibility = if public { Visibility::Public } else { Visibility::Private };
            let room = client.create_room(&name, &topic, visibility).await?;
            return show_rooms(options, &[room]);
        }
        RoomCommand::List { public } => return list(&client, options, public).await,
        RoomCommand::Members { room } => return members(&client, options, &room).await,
        RoomCommand::Join { room } => client.join(&room).await,
        RoomCommand::Leave { room } => client.leave(&room).await,
        RoomCommand::Topic { room, topic } => client.set_topic(&room, &topic).await,
        RoomCommand::Invite { room, person, role } => {
            let person = new_person_id(&client, &person).await?;
            client.invite(&room, &person, role.into()).await
        }
        RoomCommand::Remove { room, person, reason } => {
            let person = person_id(&client, &person).await?;
            client.remove(&room, &person, &reason).await
        }
        RoomCommand::Role { room, person, role } => {
            let person = person_id(&client, &person).await?;
            client.set_role(&room, &person, role.into()).await
        }
    };
    show_commit(options, &commit?)
}

/// Opens the direct room with somebody.
pub(crate) async fn dm(args: &DmArgs) -> anyhow::Result<()> {
    let client = args.repeat.with(args.options.connect().await?);
    let person = person_id(&client, &args.person).await?;
    let room = client.open_direct(&person).await?;
    show_rooms(&args.options, &[room])
}

/// Prints where and when something was committed.
pub(crate) fn show_commit(options: &ConnectArgs, commit: &Commit) -> anyhow::Result<()> {
    if options.output == Output::Json {
        return render::message(commit);
    }
    let time = commit.time.as_ref().map_or_else(String::new, |time| render::clock(time.seconds));
    Ok(render::table(&["room", "seq", "time"], [vec![commit.room.clone(), commit.seq.to_string(), time]])?)
}

async fn list(client: &Client, options: &ConnectArgs, public: bool) -> anyhow::Result<()> {
    let filter = if public { RoomFilter::Public } else { RoomFilter::Joined };
    let (mut rooms, mut token) = (Vec::new(), String::new());
    loop {
        let page = client.list_rooms(filter, PAGE, &token).await?;
        if options.output == Output::Json {
            show_rooms(options, &page.rooms)?;
        } else {
            rooms.extend(page.rooms);
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    if options.output == Output::Table { show_rooms(options, &rooms) } else { Ok(()) }
}

fn show_rooms(options: &ConnectArgs, rooms: &[Room]) -> anyhow::Result<()> {
    if options.output == Output::Json {
        return rooms.iter().try_for_each(render::message);
    }
    let rows = rooms.iter().map(|room| {
        let role = render::role(room.role).to_owned();
        let visibility = render::visibility(room.visibility).to_owned();
        let (members, head) = (room.members.to_string(), room.head_seq.to_string());
        vec![room.id.clone(), room.name.clone(), visibility, role, members, head, room.topic.clone()]
    });
    Ok(render::table(&["id", "name", "visibility", "role", "members", "head", "topic"], rows)?)
}

async fn members(client: &Client, options: &ConnectArgs, room: &str) -> anyhow::Result<()> {
    let (mut all, mut token) = (Vec::<Member>::new(), String::new());
    loop {
        let page = client.members(room, PAGE, &token).await?;
        all.extend(page.members);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let mut names = Names::default();
    names.learn(client, all.iter().map(|member| member.person.as_str())).await;
    if options.output == Output::Json {
        for member in &all {
            let mut object = render::object(member)?;
            object.insert("name".into(), names.get(&member.person).map_or(Value::Null, Value::from));
            render::line(&serde_json::to_string(&object)?)?;
        }
        return Ok(());
    }
    let rows = all.iter().map(|member| {
        let name = names.show(&member.person).to_owned();
        vec![member.person.clone(), name, render::role(member.role).to_owned(), member.since_seq.to_string()]
    });
    Ok(render::table(&["person", "name", "role", "since"], rows)?)
}

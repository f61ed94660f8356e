//! `fleetfn pub`: publishes messages, and says for each whether the broker took it.

use super::failure::Failure;
use super::mqtt::{self, Connection};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, PubCompReason, PubRecReason};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Messages read ahead of the broker's acknowledgements.
const AHEAD_MAX: usize = 64;

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
#[command(group(clap::ArgGroup::new("what").required(true)))]
pub(super) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// Where to publish
    #[arg(short = 't', long)]
    topic: String,
    /// What to publish
    #[arg(short = 'm', long, group = "what", allow_hyphen_values = true)]
    message: Option<String>,
    /// Publish the contents of a file
    #[arg(short = 'f', long, group = "what")]
    file: Option<PathBuf>,
    /// Publish each line of stdin as a message
    #[arg(short = 'l', long, group = "what")]
    stdin_line: bool,
    /// Publish all of stdin as one message
    #[arg(short = 's', long, group = "what")]
    stdin_file: bool,
    /// Publish an empty message
    #[arg(short = 'n', long, group = "what")]
    null_message: bool,
    /// Quality of service: 1 waits until the message is durable
    #[arg(short = 'q', long, default_value = "0", value_parser = mqtt::qos)]
    qos: u8,
    /// Ask the broker to keep the message for later subscribers
    #[arg(short = 'r', long)]
    retain: bool,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot publish on {}", arguments.topic);
    if let Err(error) = fleetfn_protocol::validate_name(&arguments.topic) {
        return Err(Failure::usage(tried, error));
    }
    let options = arguments.connection.options("pub", data)?;
    let messages = messages(arguments, &tried)?;
    let runtime = super::signals::runtime()?;
    let published = runtime.block_on(publish(arguments, &tried, options, messages));
    // A thread may still wait for a line of stdin.
    runtime.shutdown_background();
    published
}

type Messages = mpsc::Receiver<Result<Vec<u8>, std::io::Error>>;

/// The messages to publish; the channel closes after the last.
fn messages(arguments: &Arguments, tried: &str) -> Result<Messages, Failure> {
    let (sender, receiver) = mpsc::channel(AHEAD_MAX);
    if arguments.stdin_line {
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().split(b'\n') {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        return Ok(receiver);
    }
    let one = if let Some(file) = &arguments.file {
        std::fs::read(file)
            .map_err(|error| Failure::new(tried, format!("{} cannot be read: {error}", file.display())))?
    } else if arguments.stdin_file {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|error| Failure::new(tried, format!("stdin cannot be read: {error}")))?;
        bytes
    } else {
        arguments.message.clone().unwrap_or_default().into_bytes()
    };
    // There is room for one, and the receiver is here.
    let _ = sender.try_send(Ok(one));
    Ok(receiver)
}

async fn publish(
    arguments: &Arguments,
    tried: &str,
    options: MqttOptions,
    mut messages: Messages,
) -> Result<(), Failure> {
    let (client, driven) = AsyncClient::new(options.clone(), AHEAD_MAX);
    let mut events = mqtt::events(driven);
    let (topic, qos, retain) = (arguments.topic.clone(), mqtt::level(arguments.qos), arguments.retain);
    let sender = client.clone();
    let mut sending = tokio::spawn(async move {
        let mut sent = 0_u64;
        while let Some(message) = messages.recv().await {
            let message = message.map_err(|error| format!("stdin cannot be read: {error}"))?;
            sender.publish(topic.as_str(), qos, retain, message).await.map_err(|error| error.to_string())?;
            sent += 1;
        }
        Ok::<u64, String>(sent)
    });
    let mut total = None;
    let mut done = 0;
    while total != Some(done) {
        tokio::select! {
            sent = &mut sending, if total.is_none() => {
                let sent = sent.map_err(|error| Failure::new(tried, error))?;
                total = Some(sent.map_err(|why| Failure::new(tried, why))?);
            }
            event = events.recv() => {
                let event = event.ok_or_else(|| Failure::new(tried, "the connection has ended"))?;
                let event = event.map_err(|error| mqtt::failure(tried, &options, &error))?;
                if settled(&event, arguments.qos, tried)? {
                    done += 1;
                }
            }
        }
    }
    mqtt::disconnect(&client, &mut events).await;
    Ok(())
}

/// Whether the event is the end of one message's way; an error if the broker refused the message.
fn settled(event: &Event, qos: u8, tried: &str) -> Result<bool, Failure> {
    let refused = |reason: &dyn std::fmt::Debug| {
        Failure::new(tried, format!("the broker refused the message: {reason:?}"))
            .next("see which topics a role may publish on: docs, chapter Topics")
    };
    match event {
        Event::Outgoing(Outgoing::Publish(_)) => Ok(qos == 0),
        Event::Incoming(Packet::PubAck(ack)) => match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(true),
            reason => Err(refused(&reason)),
        },
        Event::Incoming(Packet::PubRec(received)) => match received.reason {
            PubRecReason::Success | PubRecReason::NoMatchingSubscribers => Ok(false),
            reason => Err(refused(&reason)),
        },
        Event::Incoming(Packet::PubComp(complete)) => match complete.reason {
            PubCompReason::Success => Ok(true),
            reason @ PubCompReason::PacketIdentifierNotFound => Err(refused(&reason)),
        },
        _ => Ok(false),
    }
}

//! `fleetfn sub`: prints what is published on topics.

use super::failure::Failure;
use super::mqtt::{self, Connection};
use super::{duration, output};
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, SubAck, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, MqttOptions};
use std::path::Path;
use std::time::Duration;

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// A topic filter; may be given more than once
    #[arg(short = 't', long = "topic", required = true)]
    topics: Vec<String>,
    /// Quality of service
    #[arg(short = 'q', long, default_value = "0", value_parser = mqtt::qos)]
    qos: u8,
    /// Print the topic before each message
    #[arg(short = 'v', long)]
    verbose: bool,
    /// End after so many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this time with code 124, in seconds or as 500ms, 2m
    #[arg(short = 'W', value_name = "TIME", value_parser = duration::parse)]
    wait: Option<Duration>,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    for topic in &arguments.topics {
        let filter = topic
            .strip_prefix("$share/")
            .and_then(|rest| rest.split_once('/'))
            .map_or(topic.as_str(), |(_, filter)| filter);
        if let Err(error) = fleetfn_protocol::validate_filter(filter) {
            return Err(Failure::usage(format!("cannot subscribe to {topic}"), error));
        }
    }
    let options = arguments.connection.options("sub", data)?;
    let runtime = super::signals::runtime()?;
    runtime.block_on(async {
        let Some(wait) = arguments.wait else { return subscribe(arguments, options).await };
        match tokio::time::timeout(wait, subscribe(arguments, options)).await {
            Ok(ended) => ended,
            Err(_) => Err(Failure::timed_out(
                format!("stopped waiting for messages on {}", arguments.topics.join(", ")),
                format!("the {wait:?} of -W are over"),
            )),
        }
    })
}

async fn subscribe(arguments: &Arguments, options: MqttOptions) -> Result<(), Failure> {
    let tried = format!("cannot subscribe to {}", arguments.topics.join(", "));
    let (client, driven) = AsyncClient::new(options.clone(), arguments.topics.len().saturating_add(8));
    let mut events = mqtt::events(driven);
    let mut connected = false;
    let mut left = arguments.count;
    loop {
        let event = events.recv().await.ok_or_else(|| Failure::new(&tried, "the connection has ended"))?;
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                connected = true;
                ask(&client, arguments).map_err(|why| Failure::new(&tried, why))?;
            }
            Ok(Event::Incoming(Packet::SubAck(ack))) => granted(&ack, arguments, &tried)?,
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                print(&publish, arguments.verbose)?;
                left = left.map(|left| left.saturating_sub(1));
                if left == Some(0) {
                    mqtt::disconnect(&client, &mut events).await;
                    return Ok(());
                }
            }
            Ok(_) => {}
            Err(error) if connected && lost(&error) => {
                eprintln!("connection lost: {error}; connecting again");
            }
            Err(error) => return Err(mqtt::failure(&tried, &options, &error)),
        }
    }
}

/// Whether it is worth connecting again: the broker did not send the client away.
fn lost(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::Io(_) | ConnectionError::Timeout(_) => true,
        ConnectionError::MqttState(state) => {
            !matches!(state, rumqttc::v5::StateError::ServerDisconnect { .. })
        }
        _ => false,
    }
}

fn ask(client: &AsyncClient, arguments: &Arguments) -> Result<(), String> {
    let filters = arguments.topics.iter().map(|topic| Filter::new(topic.clone(), mqtt::level(arguments.qos)));
    client.try_subscribe_many(filters).map_err(|error| error.to_string())
}

fn granted(ack: &SubAck, arguments: &Arguments, tried: &str) -> Result<(), Failure> {
    for (code, topic) in ack.return_codes.iter().zip(&arguments.topics) {
        if !matches!(code, SubscribeReasonCode::Success(_)) {
            return Err(Failure::new(tried, format!("the broker refused {topic}: {code:?}"))
                .next("see which topics a role may subscribe to: docs, chapter Topics"));
        }
    }
    Ok(())
}

fn print(publish: &Publish, verbose: bool) -> Result<(), Failure> {
    let mut text = Vec::with_capacity(publish.topic.len() + publish.payload.len() + 2);
    if verbose {
        text.extend_from_slice(&publish.topic);
        text.push(b' ');
    }
    text.extend_from_slice(&publish.payload);
    text.push(b'\n');
    output::write(&text)
}

//! What the application does.

use crate::{Board, Fan, Health, Reading, Sensor, Settings};
use embassy_futures::select::{Either4, select4};
use embassy_time::{Instant, Timer};
use fleetfn_device::embassy::{Command, Device};

/// How many readings are told for one word of its health; the first comes with the first reading.
const READINGS: u32 = 10;

/// What the application does, forever.
pub async fn run(device: Device<'_>, mut sensor: impl Sensor, mut board: impl Board) -> ! {
    let mut settings = Settings::default();
    let mut number = 0;
    loop {
        let period = Timer::after_secs(settings.period_s.max(1).into());
        match select4(period, device.command(), device.desired::<Settings>(), device.refused()).await {
            Either4::First(()) => {
                number += 1;
                let reading = Reading { temperature: sensor.temperature().await, number };
                match device.send_json("climate", &reading).await {
                    Ok(()) => {
                        board.log(format_args!("reading {number} {:.1}", reading.temperature));
                        if board.works() {
                            // An image that is on trial may stay.
                            device.set_healthy();
                        }
                    }
                    Err(error) => board.log(format_args!("reading {number} is lost: {error}")),
                }
                tell_health(device, number, &mut board).await;
            }
            Either4::Second(command) => handle(command, &mut board).await,
            Either4::Third(Ok(desired)) => {
                settings = desired;
                board.log(format_args!("settings {settings:?}"));
                if let Err(error) = device.report(&settings).await {
                    board.log(format_args!("settings are not reported: {error}"));
                }
            }
            Either4::Third(Err(error)) => board.log(format_args!("settings make no sense: {error}")),
            Either4::Fourth(reason) => board.log(format_args!("the server refuses: {reason}")),
        }
    }
}

/// Says now and then how the device is itself, as postcard.
async fn tell_health(device: Device<'_>, readings: u32, board: &mut impl Board) {
    let uptime_s = u32::try_from(Instant::now().as_secs()).unwrap_or(u32::MAX);
    if readings % READINGS == 1
        && let Err(error) = device.send("health", &Health { uptime_s, readings }).await
    {
        board.log(format_args!("health is not told: {error}"));
    }
}

/// Does what it is asked to, and answers.
async fn handle(command: Command<'_>, board: &mut impl Board) {
    let answer = match command.name() {
        "fan" => match command.parse_json::<Fan>() {
            Ok(fan) => {
                board.log(format_args!("fan {}", if fan.on { "on" } else { "off" }));
                command.reply_json(&fan)
            }
            Err(error) => {
                board.log(format_args!("fan: {error}"));
                command.reply_bytes(b"\"error\"")
            }
        },
        "restart" => {
            board.log(format_args!("restart"));
            let answered = command.reply_bytes(b"\"now\"");
            // It has gone up, most probably, and the command counts as done: or it would restart forever.
            Timer::after_secs(1).await;
            if answered.is_ok() {
                board.restart();
            }
            answered
        }
        other => {
            board.log(format_args!("{other}: no such command"));
            command.reply_bytes(b"\"unknown\"")
        }
    };
    if let Err(error) = answer {
        board.log(format_args!("not answered: {error}"));
    }
}

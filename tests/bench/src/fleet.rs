//! The load: any number of devices driven by one thread over epoll, so that the generator costs little beside
//! what it measures.

use crate::link::{Link, Load, Phase, Until};
use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Handshakes in progress at a time: below the usual listen backlog of 128.
const JOINING_MAX: usize = 100;

/// Longer latencies count as this one: a minute.
const LATENCY_US_MAX: u64 = 60_000_000;

/// The token of the pacing timer; links use their index.
const TIMER: Token = Token(usize::MAX - 1);

/// When the next event of the fleet is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Each device sends the next event when the last one is done, with this many in flight.
    Closed { in_flight: usize },
    /// This many events a second over all devices, whatever the answers do.
    Offered { per_second: f64 },
}

/// What a run of the fleet saw.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) events: u64,
    pub(crate) elapsed: Duration,
    /// From due to done, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
}

impl Figures {
    /// Events done a second.
    pub(crate) fn per_second(&self) -> f64 {
        as_f64(self.events) / self.elapsed.as_secs_f64()
    }

    /// Latency at `quantile` in milliseconds.
    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        as_f64(self.latency_us.value_at_quantile(quantile)) / 1e3
    }
}

/// A count as a figure to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark stay far below 2^52")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Connected devices.
pub(crate) struct Fleet {
    poll: Poll,
    links: Vec<Link>,
    load: Load,
    scratch: Vec<u8>,
    timer: OwnedFd,
    until: Until,
    next_sender: usize,
}

impl Fleet {
    /// Connects and subscribes `devices` devices.
    pub(crate) fn join(address: SocketAddr, devices: usize, load: Load, until: Until) -> Result<Self> {
        let poll = Poll::new()?;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        let mut fleet = Self {
            poll,
            links: Vec::with_capacity(devices),
            load,
            scratch: vec![0; 64 * 1024],
            timer,
            until,
            next_sender: 0,
        };
        fleet.grow(address, devices)?;
        Ok(fleet)
    }

    /// Connects more devices until there are `devices`.
    pub(crate) fn grow(&mut self, address: SocketAddr, devices: usize) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut ready = self.links.len();
        let deadline = Instant::now() + Duration::from_secs(60);
        while ready < devices {
            while self.links.len() < devices && self.links.len() - ready < JOINING_MAX {
                let mut link = Link::open(address, self.links.len(), &self.load)?;
                let token = Token(self.links.len());
                self.poll.registry().register(
                    &mut link.stream,
                    token,
                    Interest::READABLE | Interest::WRITABLE,
                )?;
                self.links.push(link);
            }
            self.poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            for event in &events {
                let Some(link) = self.links.get_mut(event.token().0) else { continue };
                let was = link.phase;
                link.flush()?;
                link.receive(&mut self.scratch, self.until, drop).context("while joining")?;
                ready += usize::from(was == Phase::Joining && link.phase == Phase::Ready);
            }
            if Instant::now() > deadline {
                bail!("{ready} of {devices} devices joined within a minute");
            }
        }
        Ok(())
    }

    /// Runs at `pace` for `duration`; what is in flight at the end is carried into the next run.
    pub(crate) fn run(&mut self, pace: Pace, duration: Duration) -> Result<Figures> {
        let started = Instant::now();
        let deadline = started + duration;
        let mut figures =
            Figures { events: 0, elapsed: duration, latency_us: Histogram::new_with_max(LATENCY_US_MAX, 3)? };
        let mut events = Events::with_capacity(1024);
        let mut offered = 0_u64;
        self.start(pace, started)?;
        loop {
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            self.poll.poll(&mut events, Some(deadline - now))?;
            let now = Instant::now();
            for event in &events {
                if event.token() == TIMER {
                    if let Pace::Offered { per_second } = pace {
                        rustix::io::read(&self.timer, &mut [0_u8; 8]).ok();
                        self.send_due(&mut offered, per_second, started, now)?;
                    }
                } else if let Some(link) = self.links.get_mut(event.token().0) {
                    link.receive(&mut self.scratch, self.until, |due| {
                        figures.events += 1;
                        let us = now.saturating_duration_since(due).as_micros();
                        figures.latency_us.saturating_record(u64::try_from(us).unwrap_or(u64::MAX));
                    })?;
                    if let Pace::Closed { in_flight } = pace {
                        while link.may_send(in_flight) {
                            link.send(now);
                        }
                    }
                    link.flush()?;
                }
            }
        }
        figures.elapsed = started.elapsed();
        Ok(figures)
    }

    fn start(&mut self, pace: Pace, now: Instant) -> Result<()> {
        match pace {
            Pace::Closed { in_flight } => {
                self.set_timer(Duration::ZERO)?;
                for link in &mut self.links {
                    while link.may_send(in_flight) {
                        link.send(now);
                    }
                    link.flush()?;
                }
            }
            Pace::Offered { per_second } => self.set_timer(Duration::from_secs_f64(1.0 / per_second))?,
        }
        Ok(())
    }

    /// Ticks at `interval`; zero stops the timer. A tick that comes late stands for all that were due.
    fn set_timer(&self, interval: Duration) -> Result<()> {
        let time = Timespec { tv_sec: 0, tv_nsec: interval.subsec_nanos().into() };
        let time = Itimerspec { it_interval: time, it_value: time };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time)?;
        Ok(())
    }

    fn send_due(&mut self, offered: &mut u64, per_second: f64, started: Instant, now: Instant) -> Result<()> {
        loop {
            let due = started + Duration::from_secs_f64(as_f64(*offered) / per_second);
            if due > now {
                return Ok(());
            }
            *offered += 1;
            let index = self.next_sender;
            self.next_sender = (index + 1) % self.links.len();
            if let Some(link) = self.links.get_mut(index) {
                link.send(due);
                link.flush()?;
            }
        }
    }
}

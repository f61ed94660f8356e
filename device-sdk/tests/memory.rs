//! What a device knows after a reboot, and after a power cut at any word.

use fleetfn_device::agent::{Agent, Command, Identity, Notice};
use fleetfn_device::memory::{Error, Memory};
use fleetfn_device::update::memory::{Chip, Part, Power, Torn};
use fleetfn_protocol::DeviceId;
use proptest::prelude::{any, prop_assert, proptest};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const SECTOR: usize = 1024;
const RANGE: std::ops::Range<u32> = 0..2_048;

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the flash answers at once"),
    }
}

/// What the application has seen kept, newest last, and what it may have.
#[derive(Default)]
struct Told {
    commands: VecDeque<u32>,
    twin: Vec<u8>,
    /// What was being written when the power went.
    maybe: Option<Vec<u8>>,
}

fn id(command: u32) -> String {
    format!("{command}.0.blink")
}

/// Whether a command that comes now would be done again.
fn is_known(agent: &mut Agent<'_>, effect: &str) -> bool {
    let short = |len: usize| u8::try_from(len).expect("short");
    let topic = "devices/d1/commands/blink";
    let property =
        [&[0x26, 0, 9], b"effect-id".as_slice(), &[0, short(effect.len())], effect.as_bytes()].concat();
    let body =
        [&[0, short(topic.len())], topic.as_bytes(), &[short(property.len())], &property, b"x"].concat();
    let packet = [&[0x30, short(body.len())], body.as_slice()].concat();
    assert_eq!(agent.client().handle_bytes(&packet, 0), packet.len());
    match agent.poll_notice() {
        Ok(Some(Notice::Repeated { .. })) => true,
        Ok(Some(Notice::Command(_))) => false,
        other => unreachable!("{other:?}"),
    }
}

fn check<const WORD: usize>(part: &Part<SECTOR, WORD>, told: &Told) {
    let mut twin = [0; 100];
    let mut memory = now(Memory::open(part.clone(), RANGE, &mut twin)).expect("it opens");
    let (mut receive, mut send) = ([0; 256], [0; 256]);
    let device = DeviceId::parse("d1").expect("a name");
    let mut agent = Agent::new(Identity::new(device, b"token"), &mut receive, &mut send);
    now(memory.restore(&mut agent)).expect("it reads");
    agent.handle_opened(0).expect("it may connect");
    let connect = agent.client().poll_transmit().map_or(0, <[u8]>::len);
    agent.client().handle_transmitted(connect, 0);
    agent.client().handle_bytes(b"\x20\x03\0\0\0", 0);
    assert_eq!(agent.poll_notice(), Ok(Some(Notice::Connected)));
    for command in told.commands.iter().rev().take(32) {
        assert!(is_known(&mut agent, &id(*command)), "{command} would be done twice");
    }
    assert!(!is_known(&mut agent, "never"));
    let desired = memory.desired().unwrap_or_default();
    assert!(desired == told.twin || told.maybe.as_deref() == Some(desired), "{desired:?}");
}

/// Commands, and now and then a twin, until the power goes or all is said; `false` if it went.
fn live<const WORD: usize>(part: &Part<SECTOR, WORD>, told: &mut Told, steps: &[u8]) -> bool {
    let mut twin = [0; 100];
    let Ok(mut memory) = now(Memory::open(part.clone(), RANGE, &mut twin)) else { return false };
    for step in steps {
        let number = told.commands.back().map_or(1, |last| last + 1);
        let kept = if step.is_multiple_of(4) {
            let desired = vec![b'a' + step % 26; usize::from(step % 99) + 1];
            told.maybe = Some(desired.clone());
            let kept = now(memory.handle_notice(&Notice::Desired(&desired)));
            if kept.is_ok() {
                (told.twin, told.maybe) = (desired, None);
            }
            kept
        } else {
            let effect = id(number);
            let command = Command { name: "blink", payload: b"", effect: &effect, expiry_s: None };
            let kept = now(memory.handle_notice(&Notice::Command(command)));
            if kept.is_ok() {
                told.commands.push_back(number);
            }
            kept
        };
        match kept {
            Ok(()) => {}
            Err(Error::Flash(Power::Off)) => return false,
            Err(other) => unreachable!("{other}"),
        }
    }
    true
}

fn cut_everywhere<const WORD: usize>() {
    let steps: Vec<u8> = (0..150).map(|step: u8| step.wrapping_mul(37)).collect();
    for (torn, step) in [(Torn::Front, 1), (Torn::Programmed, 3), (Torn::Untouched, 7)] {
        let mut cuts = 0;
        for cut in (1..).step_by(step) {
            let chip = Chip::<SECTOR, WORD>::new(2);
            let part = chip.part(0..2);
            let mut told = Told::default();
            chip.cut_after(cut, torn, cut);
            let was_cut = !live(&part, &mut told, &steps);
            chip.restore();
            check(&part, &told);
            // It goes on from there.
            assert!(live(&part, &mut told, &steps[..60]));
            check(&part, &told);
            if !was_cut {
                break;
            }
            cuts += 1;
        }
        assert!(cuts > 50, "there were only {cuts} moments to cut at");
    }
}

#[test]
fn a_cut_at_any_word_forgets_nothing_that_was_kept() {
    cut_everywhere::<4>();
    cut_everywhere::<16>();
}

#[test]
fn a_twin_that_is_too_long_is_not_kept_and_neither_is_the_one_before() {
    let chip = Chip::<SECTOR, 4>::new(2);
    let mut buffer = [0; 10];
    let mut memory = now(Memory::open(chip.part(0..2), RANGE, &mut buffer)).expect("it opens");
    assert_eq!(memory.desired(), None);
    assert_eq!(now(memory.handle_notice(&Notice::Desired(b"{}"))), Ok(()));
    assert_eq!(memory.desired(), Some(b"{}".as_slice()));
    let steps = chip.steps();
    assert_eq!(now(memory.handle_notice(&Notice::Desired(b"{}"))), Ok(()));
    assert_eq!(chip.steps(), steps, "the same is not written again");
    assert_eq!(now(memory.handle_notice(&Notice::Desired(&[b'x'; 11]))), Err(Error::TooLong));
    assert_eq!(memory.desired(), None);
    let mut other = [0; 10];
    let again = now(Memory::open(chip.part(0..2), RANGE, &mut other)).expect("it opens");
    assert_eq!(again.desired(), None);
}

#[test]
fn a_range_that_is_none_is_refused() {
    let chip = Chip::<SECTOR, 4>::new(3);
    for range in [0..0, 0..1_024, 0..3_072, 512..2_560, 1_024..8_192] {
        let mut twin = [0; 10];
        assert!(matches!(now(Memory::open(chip.part(0..3), range, &mut twin)), Err(Error::Range)));
    }
    let mut long = [0; 600];
    assert!(matches!(now(Memory::open(chip.part(0..3), RANGE, &mut long)), Err(Error::Range)));
}

proptest! {
    #[test]
    fn whatever_the_flash_holds_is_no_panic_and_is_written_over(
        junk in proptest::collection::vec(any::<u8>(), 2_048),
        framed: bool,
    ) {
        let chip = Chip::<SECTOR, 4>::new(2);
        let part = chip.part(0..2);
        part.program(&junk);
        if framed {
            part.spoil(|bytes| bytes[..8].copy_from_slice(&[4, 1, 255, 3, 0, 0, 0, 0]));
        }
        let mut told = Told::default();
        prop_assert!(live(&part, &mut told, &[1; 80]));
        check(&part, &told);
    }
}

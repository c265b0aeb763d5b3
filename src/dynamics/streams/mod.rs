//! Random streams: one per chain, its start hashed from (seed, domain, chain), [`LANES`] of them side by side.
//!
//! | generator | what it is | state and price | when |
//! | --- | --- | --- | --- |
//! | [`Generator::Pcg`] | PCG XSH-RR 64/32, O'Neill 2014 | 64 bits that move with every word; 0.17 ns a word | the default: fastest |
//! | [`Generator::ChaCha8`] | a block cipher of a counter, Bernstein 2008 | a key, a stream and a word number; 0.35 ns a word | see below |
//!
//! PCG's streams are places on 2⁶³ cycles of 2⁶⁴ words, chosen by hashes: two of n chains share a stretch of L words with
//! probability about n²L/2¹²⁷, but its cycles are affine images of each other, and how that shows in very many very long
//! streams is untested. ChaCha8's streams are distinct inputs of a cipher, and word w of chain c follows from (key, c, w)
//! without its predecessors: take it above about 10⁴ chains of 10¹¹ words, or to restart at any step on another machine.
//! [`Jump`] positions both at once (PCG by powers of its step, in O(log words)).
//!
//! Plain starts `Pcg32::new(seed, chain)` will not do: all chains move by the same affine map, so that
//! s_c − 2 s_{c+1} + s_{c+2} = 0 at all times. Two lanes at a time they pass 1e8 normals; three at a time they fail at 2e6.

mod block;
mod chacha;
mod pcg;

pub(super) use block::{Block, PcgBlock, TileBlock};
pub use chacha::ChaChaLanes;
pub use pcg::PcgLanes;

use super::LANES;
use crate::error::{Error, Result};
use rand_pcg::Pcg32;
use serde::Serialize;

/// SplitMix64's finaliser: a bijection that mixes all bits.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// What all chains of (seed, domain) share.
fn root(seed: u64, domain: u64) -> u64 {
    mix(mix(seed) ^ domain)
}

/// The hashed (state, stream) pair of a chain, as `Pcg32::new` takes it.
pub fn start(seed: u64, domain: u64, chain: u64) -> (u64, u64) {
    let own = mix(root(seed, domain) ^ chain);
    (mix(own ^ 1), mix(own ^ 2))
}

/// The hashed key of (seed, domain), as `ChaCha8Rng::from_seed` takes it; chains are its streams.
pub fn key(seed: u64, domain: u64) -> [u8; 32] {
    chacha::key_bytes(root(seed, domain))
}

/// The scalar PCG of a chain: the oracle of the lanes, and the generator of everything that is not a hot loop.
pub fn chain_rng(seed: u64, domain: u64, chain: u64) -> Pcg32 {
    let (state, stream) = start(seed, domain, chain);
    Pcg32::new(state, stream)
}

/// A generator of random words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Generator {
    /// PCG XSH-RR 64/32.
    #[default]
    Pcg,
    /// ChaCha with 8 rounds.
    ChaCha8,
}

impl Generator {
    /// All of them.
    pub const ALL: [Generator; 2] = [Generator::Pcg, Generator::ChaCha8];

    /// Name in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Generator::Pcg => "pcg",
            Generator::ChaCha8 => "chacha8",
        }
    }

    /// Names of all.
    pub fn names() -> [&'static str; 2] {
        Self::ALL.map(Self::name)
    }

    /// The generator called `name`.
    ///
    /// # Errors
    /// An unknown name; the message lists the known ones.
    pub fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|g| g.name() == name);
        found.ok_or_else(|| {
            let expected = format!("one of {}", Self::names().join(", "));
            Error::invalid("plan.generator", format!("\"{name}\""), expected)
        })
    }
}

/// Where a set of streams comes from: stream c is that of (seed, domain, chain c), by one generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The run's seed.
    pub seed: u64,
    /// What the streams are for.
    pub domain: u64,
    /// By which generator.
    pub generator: Generator,
}

impl Origin {
    /// The same streams' numbers by another generator.
    #[must_use]
    pub fn by(self, generator: Generator) -> Self {
        Origin { generator, ..self }
    }
}

impl From<(u64, u64)> for Origin {
    /// (seed, domain), by the default generator.
    fn from((seed, domain): (u64, u64)) -> Self {
        Origin {
            seed,
            domain,
            generator: Generator::default(),
        }
    }
}

/// Where one stream stands; it says which stream, so that any lane can go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamPosition {
    /// Of PCG.
    Pcg {
        /// State before the next word.
        state: u64,
        /// Which cycle; odd.
        increment: u64,
    },
    /// Of ChaCha8.
    ChaCha8 {
        /// The hash of (seed, domain) that the key is made of.
        root: u64,
        /// The stream.
        chain: u64,
        /// The next word's number.
        word: u64,
    },
}

impl StreamPosition {
    /// By which generator.
    pub fn generator(self) -> Generator {
        match self {
            StreamPosition::Pcg { .. } => Generator::Pcg,
            StreamPosition::ChaCha8 { .. } => Generator::ChaCha8,
        }
    }

    /// As numbers for a checkpoint. The second tells the generators apart: PCG's increment is odd.
    pub fn numbers(self) -> Vec<u64> {
        match self {
            StreamPosition::Pcg { state, increment } => vec![state, increment],
            StreamPosition::ChaCha8 { root, chain, word } => vec![root, chain << 1, word],
        }
    }

    /// The position at the head of `numbers`, and what follows it; `None` when they are too few.
    pub fn split(numbers: &[u64]) -> Option<(Self, &[u64])> {
        match *numbers {
            [state, increment, ref rest @ ..] if increment & 1 == 1 => {
                Some((StreamPosition::Pcg { state, increment }, rest))
            }
            [root, twice, word, ref rest @ ..] => {
                let chain = twice >> 1;
                Some((StreamPosition::ChaCha8 { root, chain, word }, rest))
            }
            _ => None,
        }
    }
}

/// A jump over a fixed number of words, for either generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    words: u64,
    pcg: pcg::Affine,
}

impl Jump {
    /// Over `words` words (modulo 2⁶⁴, the length of a stream).
    pub fn new(words: u64) -> Self {
        Jump {
            words,
            pcg: pcg::Affine::power(words),
        }
    }
}

/// Streams side by side, as kernels take words from them.
pub trait Stream {
    /// One word from every lane.
    fn next(&mut self, words: &mut [u32; LANES]);
    /// Moves every lane as far as `jump` says.
    fn skip(&mut self, jump: Jump);
}

/// [`LANES`] streams of one generator side by side.
// PCG's are in the tile itself: the default generator pays for no pointer.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Streams {
    /// By PCG.
    Pcg(PcgLanes),
    /// By ChaCha8.
    ChaCha8(Box<ChaChaLanes>),
}

impl Streams {
    /// Streams of chains `first..first + LANES`.
    pub fn new(origin: impl Into<Origin>, first: u64) -> Self {
        let origin = origin.into();
        let (seed, domain) = (origin.seed, origin.domain);
        match origin.generator {
            Generator::Pcg => Streams::Pcg(PcgLanes::new(seed, domain, first)),
            Generator::ChaCha8 => {
                let lanes = ChaChaLanes::new(root(seed, domain), first);
                Streams::ChaCha8(Box::new(lanes))
            }
        }
    }

    /// By which generator.
    pub fn generator(&self) -> Generator {
        match self {
            Streams::Pcg(_) => Generator::Pcg,
            Streams::ChaCha8(_) => Generator::ChaCha8,
        }
    }

    /// Where lane `lane` stands.
    pub fn position(&self, lane: usize) -> StreamPosition {
        match self {
            Streams::Pcg(lanes) => lanes.position(lane),
            Streams::ChaCha8(lanes) => lanes.position(lane),
        }
    }

    /// Puts lane `lane` where `position` says.
    ///
    /// # Errors
    /// A position of another generator.
    pub fn set_position(&mut self, lane: usize, position: StreamPosition) -> Result<()> {
        match (self, position) {
            (Streams::Pcg(lanes), StreamPosition::Pcg { state, increment }) => {
                lanes.set_position(lane, (state, increment));
            }
            (Streams::ChaCha8(lanes), StreamPosition::ChaCha8 { root, chain, word }) => {
                lanes.set_position(lane, root, chain, word);
            }
            (lanes, position) => {
                let value = format!("a stream of {}", position.generator().name());
                let expected = format!("a stream of {}", lanes.generator().name());
                return Err(Error::invalid("streams", value, expected));
            }
        }
        Ok(())
    }

    /// Lane `lane` as a scalar generator, for draws whose number differs from lane to lane.
    pub fn lane(&mut self, lane: usize) -> LaneRng<'_> {
        LaneRng(match self {
            Streams::Pcg(lanes) => Lane::Pcg(lanes, lane),
            Streams::ChaCha8(lanes) => Lane::ChaCha8(lanes.apart(), lane),
        })
    }
}

/// Decides for every row; a kernel whose time goes into words matches once and is generic over [`Stream`].
impl Stream for Streams {
    #[inline(always)]
    fn next(&mut self, words: &mut [u32; LANES]) {
        match self {
            Streams::Pcg(lanes) => lanes.next(words),
            Streams::ChaCha8(lanes) => lanes.next(words),
        }
    }

    #[inline(always)]
    fn skip(&mut self, jump: Jump) {
        match self {
            Streams::Pcg(lanes) => lanes.skip(jump),
            Streams::ChaCha8(lanes) => lanes.skip(jump),
        }
    }
}

/// One lane's stream: the bits of the scalar crates, as `rand` wants them.
#[derive(Debug)]
pub struct LaneRng<'a>(Lane<'a>);

#[derive(Debug)]
enum Lane<'a> {
    Pcg(&'a mut PcgLanes, usize),
    ChaCha8(&'a mut ChaChaLanes, usize),
}

impl rand::TryRng for LaneRng<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Self::Error> {
        Ok(match &mut self.0 {
            Lane::Pcg(lanes, lane) => lanes.next_of(*lane),
            Lane::ChaCha8(lanes, lane) => lanes.next_of(*lane),
        })
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Self::Error> {
        let low = u64::from(self.try_next_u32()?);
        Ok(u64::from(self.try_next_u32()?) << 32 | low)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(4) {
            let word = self.try_next_u32()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    fn origins() -> [Origin; 2] {
        Generator::ALL.map(|g| Origin::from((7, 3)).by(g))
    }

    #[test]
    fn seed_domain_and_chain_all_matter() {
        let numbers = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0), (1, 1, 0)];
        for generator in Generator::ALL {
            let starts = numbers.map(|(seed, domain, chain)| {
                let origin = Origin::from((seed, domain)).by(generator);
                let mut words = [0; LANES];
                Streams::new(origin, chain).next(&mut words);
                words[0]
            });
            for (i, a) in starts.iter().enumerate() {
                for b in &starts[..i] {
                    assert_ne!(a, b);
                }
            }
        }
    }

    /// A jump over n words is n steps, also past 2³² words and for jumps of jumps.
    #[test]
    fn jumps_are_steps() {
        for origin in origins() {
            for n in [0u64, 1, 2, 15, 16, 17, 33, 1000] {
                let (mut jumped, mut stepped) = (Streams::new(origin, 0), Streams::new(origin, 0));
                let (mut a, mut b) = ([0; LANES], [0; LANES]);
                jumped.next(&mut a);
                stepped.next(&mut b);
                jumped.skip(Jump::new(n));
                (0..n).for_each(|_| stepped.next(&mut b));
                assert_eq!(jumped.position(3), stepped.position(3));
                jumped.next(&mut a);
                stepped.next(&mut b);
                assert_eq!(a, b, "{n} words by {}", origin.generator.name());
            }
            let far = 123_456_789_012_345;
            let (mut once, mut twice) = (Streams::new(origin, 0), Streams::new(origin, 0));
            once.skip(Jump::new(far));
            twice.skip(Jump::new(far - (1 << 40)));
            twice.skip(Jump::new(1 << 40));
            assert_eq!(once.position(0), twice.position(0));
            let mut back = once.clone();
            back.skip(Jump::new(far.wrapping_neg()));
            assert_eq!(back.position(0), Streams::new(origin, 0).position(0));
        }
    }

    /// Lanes that drew different numbers of words each go on with their own stream, in rows and one by one.
    #[test]
    fn lanes_that_came_apart_keep_their_streams() {
        for origin in origins() {
            let mut lanes = Streams::new(origin, 0);
            let mut alone: Vec<Streams> =
                (0..LANES).map(|l| Streams::new(origin, l as u64)).collect();
            let (mut row, mut words) = ([0; LANES], [0; LANES]);
            for round in 0..60 {
                for (lane, own) in alone.iter_mut().enumerate() {
                    for _ in 0..(lane * round) % 7 {
                        assert_eq!(lanes.lane(lane).next_u32(), own.lane(0).next_u32());
                    }
                }
                lanes.next(&mut row);
                for (word, own) in row.iter().zip(&mut alone) {
                    own.next(&mut words);
                    assert_eq!(*word, words[0]);
                }
                lanes.skip(Jump::new(round as u64));
                alone
                    .iter_mut()
                    .for_each(|s| s.skip(Jump::new(round as u64)));
            }
        }
    }

    #[test]
    fn positions_go_through_a_checkpoint() {
        for origin in origins() {
            let mut lanes = Streams::new(origin, 64);
            lanes.skip(Jump::new(37));
            let mut other = Streams::new(Origin::from((0, 0)).by(origin.generator), 0);
            for lane in 0..LANES {
                let mut numbers = lanes.position(lane).numbers();
                numbers.push(99);
                let (position, rest) = StreamPosition::split(&numbers).unwrap();
                assert_eq!(rest, [99]);
                other.set_position(LANES - 1 - lane, position).unwrap();
            }
            let (mut a, mut b) = ([0; LANES], [0; LANES]);
            for _ in 0..40 {
                lanes.next(&mut a);
                other.next(&mut b);
                b.reverse();
                assert_eq!(a, b);
            }
        }
        let [pcg, chacha] = origins().map(|o| Streams::new(o, 0));
        assert!(pcg.clone().set_position(0, chacha.position(0)).is_err());
        assert!(StreamPosition::split(&[1]).is_none());
    }

    #[test]
    fn unknown_generators_are_refused_with_the_known_ones() {
        let said = Generator::named("mt19937").unwrap_err().to_string();
        assert!(said.contains("one of pcg, chacha8"), "{said}");
        assert_eq!(Generator::named("chacha8").unwrap(), Generator::ChaCha8);
    }
}

//! The streams of W tiles side by side, as multi-spin kernels take words from them: `words[lane][tile]`.

use super::pcg::{Affine, advance, output};
use super::{Jump, LANES, Stream, StreamPosition, Streams};
use crate::dynamics::tile::end_row;

/// Streams of W tiles.
pub(in crate::dynamics) trait Block<const W: usize> {
    /// Takes over the streams of tile `t`.
    fn take(&mut self, t: usize, streams: &Streams);
    /// Hands them back.
    fn give(&self, t: usize, streams: &mut Streams);
    /// One word from every chain.
    fn next(&mut self, words: &mut [[u32; W]; LANES]);
    /// Moves every chain.
    fn skip(&mut self, jump: Jump);
    /// The word of one chain that lies `jump` ahead, without moving it.
    fn word_ahead(&self, lane: usize, t: usize, jump: Jump) -> u32;
}

/// PCG, lane by lane: one vector steps the same lane of all tiles.
#[repr(align(64))]
pub(in crate::dynamics) struct PcgBlock<const W: usize> {
    state: [[u64; W]; LANES],
    increment: [[u64; W]; LANES],
}

impl<const W: usize> PcgBlock<W> {
    /// Streams for nobody.
    pub fn new() -> Self {
        PcgBlock {
            state: [[0; W]; LANES],
            increment: [[0; W]; LANES],
        }
    }

    #[inline(always)]
    fn ahead(&self, lane: usize, t: usize, map: Affine) -> u64 {
        map.of(self.state[lane][t], self.increment[lane][t])
    }
}

impl<const W: usize> Block<W> for PcgBlock<W> {
    fn take(&mut self, t: usize, streams: &Streams) {
        for lane in 0..LANES {
            if let StreamPosition::Pcg { state, increment } = streams.position(lane) {
                (self.state[lane][t], self.increment[lane][t]) = (state, increment);
            }
        }
    }

    fn give(&self, t: usize, streams: &mut Streams) {
        if let Streams::Pcg(lanes) = streams {
            for lane in 0..LANES {
                lanes.set_position(lane, (self.state[lane][t], self.increment[lane][t]));
            }
        }
    }

    #[inline(always)]
    fn next(&mut self, words: &mut [[u32; W]; LANES]) {
        for lane in 0..LANES {
            for t in 0..W {
                let old = self.state[lane][t];
                self.state[lane][t] = advance(old, self.increment[lane][t]);
                words[lane][t] = output(old);
            }
            // Rows of sixteen fill vectors; shorter ones are left to be joined.
            if W >= 16 {
                end_row();
            }
        }
    }

    #[inline(always)]
    fn skip(&mut self, jump: Jump) {
        for lane in 0..LANES {
            for t in 0..W {
                self.state[lane][t] = self.ahead(lane, t, jump.pcg);
            }
        }
    }

    #[inline(always)]
    fn word_ahead(&self, lane: usize, t: usize, jump: Jump) -> u32 {
        output(self.ahead(lane, t, jump.pcg))
    }
}

/// Any generator, tile by tile.
pub(in crate::dynamics) struct TileBlock<const W: usize> {
    tiles: [Option<Streams>; W],
}

impl<const W: usize> TileBlock<W> {
    /// Streams for nobody.
    pub fn new() -> Self {
        TileBlock {
            tiles: std::array::from_fn(|_| None),
        }
    }
}

impl<const W: usize> Block<W> for TileBlock<W> {
    fn take(&mut self, t: usize, streams: &Streams) {
        self.tiles[t] = Some(streams.clone());
    }

    fn give(&self, t: usize, streams: &mut Streams) {
        if let Some(own) = &self.tiles[t] {
            streams.clone_from(own);
        }
    }

    #[inline(always)]
    fn next(&mut self, words: &mut [[u32; W]; LANES]) {
        let mut own = [0; LANES];
        for (t, tile) in self.tiles.iter_mut().enumerate() {
            if let Some(streams) = tile {
                streams.next(&mut own);
            }
            for lane in 0..LANES {
                words[lane][t] = own[lane];
            }
        }
    }

    #[inline(always)]
    fn skip(&mut self, jump: Jump) {
        for streams in self.tiles.iter_mut().flatten() {
            streams.skip(jump);
        }
    }

    fn word_ahead(&self, lane: usize, t: usize, jump: Jump) -> u32 {
        match &self.tiles[t] {
            Some(Streams::Pcg(lanes)) => lanes.word_ahead(lane, jump),
            Some(Streams::ChaCha8(lanes)) => lanes.word_ahead(lane, jump),
            None => 0,
        }
    }
}

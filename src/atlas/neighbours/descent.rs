//! Neighbours for populations where all pairs take too long: what is near a neighbour is likely to be near (Dong, Moses
//! and Li 2011).
//!
//! A few trees of random cuts give every cell a first list. Then, again and again, neighbours of one cell are compared
//! with each other, those pairs of which one is new, until hardly any list changes. All draws come from one seeded
//! stream, and nothing depends on threads: the same rows and seed give the same neighbours on every machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::neighbours::{Neighbours, settle};
use crate::rows::Rows;

const N_TREES: usize = 6;
/// Cells that a tree does not cut any further; they are compared in pairs.
const LEAF: usize = 30;
/// Cells that are projected, or whose candidates are compared, between two pauses.
const PORTION: usize = 2048;
/// Entries of a list beyond the neighbours asked for: they find others.
const SPARE: usize = 10;
/// New and old candidates of a cell in one round, each at most.
const MAX_CANDIDATES: usize = 30;
/// Rounds end when a smaller share of the entries than this has changed.
const LEAST_CHANGE: f64 = 0.001;

/// The search under way.
pub struct Work<'a> {
    rows: &'a Rows,
    rng: ChaCha8Rng,
    lists: Lists,
    phase: Phase,
    n_done: usize,
    result: Neighbours,
}

enum Phase {
    Trees { n_left: usize, tree: Tree },
    Rounds { n_left: usize, round: Round },
    Settle,
    Done,
}

impl<'a> Work<'a> {
    pub(super) fn new(rows: &'a Rows, n_neighbours: usize, seed: u64) -> Self {
        let n_rows = rows.n_rows();
        Self {
            rows,
            rng: ChaCha8Rng::seed_from_u64(seed),
            lists: Lists::new(n_rows, (n_neighbours - 1 + SPARE).min(n_rows - 1)),
            phase: Phase::Trees { n_left: N_TREES - 1, tree: Tree::new(n_rows) },
            n_done: 0,
            result: Neighbours { n_neighbours, indices: Vec::new(), distances: Vec::new() },
        }
    }

    fn max_rounds(&self) -> usize {
        (self.rows.n_rows().ilog2() as usize).max(5)
    }

    /// Cells gone through by trees, rounds and the last measurement; rounds usually end before their limit.
    pub(super) fn total(&self) -> usize {
        (N_TREES + self.max_rounds() + 1) * self.rows.n_rows()
    }

    pub(super) fn advance(&mut self) -> Option<usize> {
        let n_rows = self.rows.n_rows();
        self.phase = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Trees { n_left, mut tree } => {
                self.n_done += tree.advance(self.rows, &mut self.rng, &mut self.lists);
                match (tree.waiting.is_empty(), n_left) {
                    (false, _) => Phase::Trees { n_left, tree },
                    (true, 0) => {
                        self.fill();
                        Phase::Rounds { n_left: self.max_rounds() - 1, round: Round::new(n_rows) }
                    }
                    (true, _) => Phase::Trees { n_left: n_left - 1, tree: Tree::new(n_rows) },
                }
            }
            Phase::Rounds { n_left, mut round } => {
                self.n_done += round.advance(self.rows, &mut self.rng, &mut self.lists);
                let n_entries = (n_rows * self.lists.width) as f64;
                if !round.is_done() {
                    Phase::Rounds { n_left, round }
                } else if n_left == 0 || (round.n_changed as f64) < LEAST_CHANGE * n_entries {
                    Phase::Settle
                } else {
                    round.begin_again();
                    Phase::Rounds { n_left: n_left - 1, round }
                }
            }
            Phase::Settle => {
                self.n_done += self.settle(PORTION);
                if self.result.n_cells() < n_rows { Phase::Settle } else { Phase::Done }
            }
            Phase::Done => return None,
        };
        Some(self.n_done)
    }

    pub(super) fn finish(mut self) -> Neighbours {
        self.fill();
        self.settle(usize::MAX);
        self.result
    }

    /// Lists that trees left short take what comes after a random cell.
    fn fill(&mut self) {
        let n_rows = self.rows.n_rows();
        for cell in 0..n_rows {
            let mut other = self.rng.random_range(0..n_rows as u32) as usize;
            while self.lists.lengths[cell] < self.lists.width {
                if other != cell {
                    self.lists.offer(cell, other as u32, self.rows.rough_square(cell, other));
                }
                other = (other + 1) % n_rows;
            }
        }
    }

    fn settle(&mut self, n_most: usize) -> usize {
        let begin = self.result.n_cells();
        let end = self.rows.n_rows().min(begin.saturating_add(n_most));
        for cell in begin..end {
            let candidates = self.lists.of(cell).iter().map(|entry| entry.other);
            settle(self.rows, cell, candidates, self.result.n_neighbours, &mut self.result);
        }
        end - begin
    }
}

#[derive(Clone, Copy, Default)]
struct Entry {
    square: f32,
    other: u32,
    /// Its own neighbours have not been compared with it yet.
    is_new: bool,
}

/// The nearest of each cell so far, ascending.
struct Lists {
    width: usize,
    lengths: Vec<usize>,
    entries: Vec<Entry>,
}

impl Lists {
    fn new(n_rows: usize, width: usize) -> Self {
        Self { width, lengths: vec![0; n_rows], entries: vec![Entry::default(); n_rows * width] }
    }

    fn of(&self, cell: usize) -> &[Entry] {
        &self.entries[cell * self.width..cell * self.width + self.lengths[cell]]
    }

    /// Says whether the list has changed.
    fn offer(&mut self, cell: usize, other: u32, square: f32) -> bool {
        let length = self.lengths[cell];
        let list = &mut self.entries[cell * self.width..(cell + 1) * self.width];
        let is_full = length == list.len();
        if is_full && list[length - 1].square <= square {
            return false;
        }
        let place = list[..length].partition_point(|entry| (entry.square, entry.other) < (square, other));
        // The same pair has the same square, whichever end asks.
        if list[..length].get(place).is_some_and(|entry| entry.other == other) {
            return false;
        }
        let last = if is_full { length - 1 } else { length };
        list.copy_within(place..last, place + 1);
        list[place] = Entry { square, other, is_new: true };
        self.lengths[cell] = last + 1;
        true
    }

    fn offer_both(&mut self, rows: &Rows, a: u32, b: u32) -> usize {
        let square = rows.rough_square(a as usize, b as usize);
        usize::from(self.offer(a as usize, b, square)) + usize::from(self.offer(b as usize, a, square))
    }
}

/// Cuts all cells in two, and the parts again, between two random cells of each part.
struct Tree {
    order: Vec<u32>,
    /// Parts of `order` that are still to be cut or compared.
    waiting: Vec<(usize, usize)>,
}

impl Tree {
    fn new(n_rows: usize) -> Self {
        Self { order: (0..n_rows as u32).collect(), waiting: vec![(0, n_rows)] }
    }

    /// Cuts until a portion of cells has been projected; says how many cells have reached a leaf.
    fn advance(&mut self, rows: &Rows, rng: &mut ChaCha8Rng, lists: &mut Lists) -> usize {
        let (mut n_projected, mut n_settled) = (0, 0);
        while n_projected < PORTION {
            let Some((begin, end)) = self.waiting.pop() else { break };
            let part = &mut self.order[begin..end];
            if part.len() <= LEAF {
                for (at, &a) in part.iter().enumerate() {
                    for &b in &part[at + 1..] {
                        lists.offer_both(rows, a, b);
                    }
                }
                n_settled += part.len();
                n_projected += part.len();
                continue;
            }
            n_projected += part.len();
            let cut = begin + cut(part, rows, rng);
            self.waiting.extend([(begin, cut), (cut, end)]);
        }
        n_settled
    }
}

/// Puts the cells nearer to one of two random cells first; says how many those are. Where that puts hardly any cell on
/// one side (equal cells, say), the part is halved as it lies.
fn cut(part: &mut [u32], rows: &Rows, rng: &mut ChaCha8Rng) -> usize {
    let mut draw = || part[rng.random_range(0..part.len() as u32) as usize] as usize;
    let (a, b) = (draw(), draw());
    let mut n_first = 0;
    for at in 0..part.len() {
        let cell = part[at] as usize;
        if rows.rough_square(cell, a) < rows.rough_square(cell, b) {
            part.swap(at, n_first);
            n_first += 1;
        }
    }
    let least = part.len() / 16;
    if n_first < least || part.len() - n_first < least { part.len() / 2 } else { n_first }
}

/// One round: candidates of every cell are its neighbours, and those whose neighbour it is; they are gathered, noted in
/// the lists, and compared with each other.
struct Round {
    fresh: Samples,
    old: Samples,
    step: Step,
    /// Cells that have gone through this step.
    at: usize,
    n_changed: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Gather,
    Note,
    Compare,
    Done,
}

impl Round {
    fn new(n_rows: usize) -> Self {
        Self { fresh: Samples::new(n_rows), old: Samples::new(n_rows), step: Step::Gather, at: 0, n_changed: 0 }
    }

    fn begin_again(&mut self) {
        self.fresh.clear();
        self.old.clear();
        (self.step, self.at, self.n_changed) = (Step::Gather, 0, 0);
    }

    fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// Takes a portion of the cells through a step; says how many have been compared.
    fn advance(&mut self, rows: &Rows, rng: &mut ChaCha8Rng, lists: &mut Lists) -> usize {
        let n_rows = rows.n_rows();
        // To compare candidates is the dearest step.
        let n_most = if self.step == Step::Compare { PORTION / 4 } else { 4 * PORTION };
        let cells = self.at..n_rows.min(self.at + n_most);
        self.at = cells.end;
        let n_cells = cells.len();
        let (n_compared, next) = match self.step {
            Step::Gather => {
                cells.for_each(|cell| self.gather(cell, lists, rng));
                (0, Step::Note)
            }
            Step::Note => {
                cells.for_each(|cell| self.note(cell, lists));
                (0, Step::Compare)
            }
            Step::Compare => {
                cells.for_each(|cell| self.compare(rows, cell, lists));
                (n_cells, Step::Done)
            }
            Step::Done => return 0,
        };
        if self.at == n_rows {
            (self.step, self.at) = (next, 0);
        }
        n_compared
    }

    fn gather(&mut self, cell: usize, lists: &Lists, rng: &mut ChaCha8Rng) {
        for entry in lists.of(cell) {
            let samples = if entry.is_new { &mut self.fresh } else { &mut self.old };
            samples.offer(cell, entry.other, rng);
            samples.offer(entry.other as usize, cell as u32, rng);
        }
    }

    /// Neighbours that will be compared are no longer new; those that were not drawn are.
    fn note(&mut self, cell: usize, lists: &mut Lists) {
        self.fresh.sort(cell);
        self.old.sort(cell);
        let drawn = self.fresh.of(cell);
        let begin = cell * lists.width;
        for entry in &mut lists.entries[begin..begin + lists.lengths[cell]] {
            entry.is_new &= drawn.binary_search(&entry.other).is_err();
        }
    }

    fn compare(&mut self, rows: &Rows, cell: usize, lists: &mut Lists) {
        let (fresh, old) = (self.fresh.of(cell), self.old.of(cell));
        for (at, &a) in fresh.iter().enumerate() {
            // Who lists each other is drawn twice.
            if at > 0 && fresh[at - 1] == a {
                continue;
            }
            for &b in fresh[at + 1..].iter().chain(old) {
                if a != b {
                    self.n_changed += lists.offer_both(rows, a, b);
                }
            }
        }
    }
}

/// Up to [`MAX_CANDIDATES`] of what is offered to each cell, each as likely as any other.
struct Samples {
    kept: Vec<[u32; MAX_CANDIDATES]>,
    n_offered: Vec<u32>,
}

impl Samples {
    fn new(n_rows: usize) -> Self {
        Self { kept: vec![[0; MAX_CANDIDATES]; n_rows], n_offered: vec![0; n_rows] }
    }

    fn clear(&mut self) {
        self.n_offered.fill(0);
    }

    fn of(&self, cell: usize) -> &[u32] {
        &self.kept[cell][..MAX_CANDIDATES.min(self.n_offered[cell] as usize)]
    }

    fn sort(&mut self, cell: usize) {
        self.kept[cell][..MAX_CANDIDATES.min(self.n_offered[cell] as usize)].sort_unstable();
    }

    fn offer(&mut self, cell: usize, candidate: u32, rng: &mut ChaCha8Rng) {
        let n_before = self.n_offered[cell];
        self.n_offered[cell] += 1;
        let place = if (n_before as usize) < MAX_CANDIDATES { n_before } else { rng.random_range(0..=n_before) };
        if let Some(kept) = self.kept[cell].get_mut(place as usize) {
            *kept = candidate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbours::{Method, NeighbourConfig, neighbours};

    /// Cells around a few places in eight dimensions, drawn by a rule.
    fn cells(n_rows: usize) -> Rows {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut value = |row: usize, column: usize| ((row % 7) * (column + 1) % 5) as f32 + rng.random::<f32>();
        let values = (0..n_rows * 8).map(|at| value(at / 8, at % 8)).collect();
        Rows::new(values, 8).expect("finite values")
    }

    #[test]
    fn finds_nearly_all_and_the_same_again() {
        let rows = cells(1500);
        let config = |method| NeighbourConfig { method, ..NeighbourConfig::default() };
        let truth = neighbours(&rows, &config(Method::Exact)).expect("cells");
        let found = neighbours(&rows, &config(Method::Descent)).expect("cells");
        assert!(found.recall(&truth) > 0.98, "{}", found.recall(&truth));
        assert_eq!(found, neighbours(&rows, &config(Method::Descent)).expect("cells"));
        let other = NeighbourConfig { seed: 1, ..config(Method::Descent) };
        assert!(neighbours(&rows, &other).expect("cells").recall(&truth) > 0.98);
    }

    #[test]
    fn few_cells_and_equal_cells_are_no_trouble() {
        for n_rows in [2, 3, 12, 31, 70] {
            let rows = cells(n_rows);
            let config = |method| NeighbourConfig { method, ..NeighbourConfig::default() };
            let truth = neighbours(&rows, &config(Method::Exact)).expect("cells");
            let found = neighbours(&rows, &config(Method::Descent)).expect("cells");
            assert!(found.recall(&truth) > 0.98, "{n_rows}: {}", found.recall(&truth));
        }
        let same = Rows::new(vec![1.0; 300], 1).expect("finite values");
        let config = NeighbourConfig { method: Method::Descent, ..NeighbourConfig::default() };
        let found = neighbours(&same, &config).expect("cells");
        assert!(
            (0..300).all(|cell| found.of(cell)[0] as usize == cell && !found.of(cell)[1..].contains(&(cell as u32)))
        );
    }

    #[test]
    fn a_search_cut_short_still_names_other_cells() {
        let rows = cells(3000);
        let mut work = Work::new(&rows, 15, 0);
        let total = work.total();
        assert!(work.advance().is_some_and(|done| done < total));
        let found = work.finish();
        assert_eq!(found.indices.len(), 3000 * 15);
    }
}

//! How near a symbol is to what was typed: what is spelt so comes first, what begins so, what contains it, then what is
//! spelt nearly so.

/// Fewest letters from which symbols that are spelt otherwise are looked for.
const MIN_NEARLY: usize = 3;

/// A text that was typed, to hold against symbols.
pub struct Wanted(Vec<char>);

impl Wanted {
    /// Letter case and blanks around it aside.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_uppercase().chars().collect())
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the symbol is only spelt nearly so: what it stands for has to be chosen, not just confirmed.
    pub fn is_nearly(&self, symbol: &str) -> bool {
        self.place(symbol).is_some_and(|place| place > 2)
    }

    /// How near the symbol is, 0 the nearest; none where it is not meant. Nothing typed means every symbol.
    pub fn place(&self, symbol: &str) -> Option<u8> {
        let (wanted, symbol) = (self.0.as_slice(), symbol.to_uppercase().chars().collect::<Vec<char>>());
        let nearly = wanted.len() >= MIN_NEARLY;
        if symbol == wanted {
            Some(0)
        } else if symbol.starts_with(wanted) {
            Some(1)
        } else if symbol.windows(wanted.len().max(1)).any(|part| part == wanted) {
            Some(2)
        } else if nearly && is_one_off(&symbol, wanted) {
            Some(3)
        } else if nearly && is_within(&symbol, wanted) {
            Some(4)
        } else {
            None
        }
    }
}

/// Whether one letter was changed, left out or put in, or two were swapped.
fn is_one_off(symbol: &[char], wanted: &[char]) -> bool {
    let same = symbol.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    let (symbol, wanted) = (&symbol[same..], &wanted[same..]);
    let after = |list: &[char], n: usize| list.get(n..).map(<[char]>::to_vec);
    after(symbol, 1) == after(wanted, 1)
        || after(symbol, 1).as_deref() == Some(wanted)
        || after(wanted, 1).as_deref() == Some(symbol)
        || (symbol.len() > 1
            && wanted.len() > 1
            && symbol[0] == wanted[1]
            && symbol[1] == wanted[0]
            && symbol[2..] == wanted[2..])
}

/// Whether all letters occur in this order.
fn is_within(symbol: &[char], wanted: &[char]) -> bool {
    let mut letters = symbol.iter();
    wanted.iter().all(|wanted| letters.any(|letter| letter == wanted))
}

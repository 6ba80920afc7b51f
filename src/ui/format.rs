//! Numbers as a person reads them.

/// Groups of three digits: `18,577`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes with a decimal unit: `1.2 GB`.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n < 1e3 => format!("{n} bytes"),
        n if n < 1e6 => format!("{:.0} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// A duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 days 4 h`.
pub fn seconds(secs: f64) -> String {
    match secs {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{} min {} s", (s / 60.0).floor(), (s % 60.0).floor()),
        s if s < 48.0 * 3600.0 => format!("{} h {} min", (s / 3600.0).floor(), (s % 3600.0 / 60.0).floor()),
        s => format!("{} days {} h", count((s / 86_400.0) as u64), (s % 86_400.0 / 3600.0).floor()),
    }
}

/// The duration of something short: `12.3 ms`, `1.24 s`.
pub fn brief(secs: f64) -> String {
    match secs {
        s if s < 1.0 => format!("{} ms", significant(1000.0 * s)),
        s if s < 10.0 => format!("{} s", significant(s)),
        s => seconds(s),
    }
}

/// A change with its sign and a real minus, three decimals: `+0.123`, `−0.040`.
pub fn signed(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let text = format!("{:.3}", value.abs());
    match value {
        v if text == "0.000" || v == 0.0 => text,
        v if v > 0.0 => format!("+{text}"),
        _ => format!("−{text}"),
    }
}

/// A correlation: two decimals, or a dash where it is undefined.
pub fn correlation(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => format!("{value:.2}").replace('-', "−"),
        _ => "–".into(),
    }
}

/// A number with three significant digits, from 1,000 on whole, below 0.0001 with its power of ten.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { "–".into() };
    }
    if value.abs() < 1e-4 {
        return format!("{value:.1e}").replace('-', "−");
    }
    if value.abs() >= 1000.0 {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(value.abs().round() as u64));
    }
    let decimals = (2 - value.abs().log10().floor() as i32).clamp(0, 8) as usize;
    format!("{value:.decimals$}").replace('-', "−")
}

/// A number of things: `1 value`, `4 values`.
pub fn plural(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Text that begins with a capital, unless its first word is a name: of a file, or a formula.
pub fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default().trim_end_matches([':', ',']);
    if !first.chars().all(char::is_alphabetic) {
        return text.to_string();
    }
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

/// Percent of a whole; with a decimal where it would read as 0.
pub fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".into();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    if part > 0 && percent < 0.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// An axis tick: as short as its value allows.
pub fn tick(value: f64) -> String {
    let text = match value.abs() {
        0.0 => "0".into(),
        v if v >= 1e6 => format!("{}M", trim(value / 1e6)),
        v if v >= 1e5 => format!("{}k", trim(value / 1e3)),
        v if v >= 1e3 && v.fract() == 0.0 => format!("{}{}", if value < 0.0 { "-" } else { "" }, count(v as u64)),
        _ => trim(value),
    };
    text.replace('-', "−")
}

fn trim(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::{brief, bytes, count, seconds, signed, significant, tick};

    #[test]
    fn a_small_share_is_not_none() {
        let read = [(0, 299), (1, 299), (3, 299), (298, 299), (1, 0)].map(|(part, whole)| super::percent(part, whole));
        assert_eq!(read, ["0 %", "0.3 %", "1 %", "100 %", "–"]);
    }

    #[test]
    fn a_name_keeps_its_letters_at_the_beginning_of_a_sentence() {
        let read = ["empty.h5ad is empty", "exp(x) - 1 sums", "no gene", "the file"].map(super::sentence);
        assert_eq!(read, ["empty.h5ad is empty", "exp(x) - 1 sums", "No gene", "The file"]);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(7), count(18_577), count(1_000_000)], ["7", "18,577", "1,000,000"]);
        assert_eq!([bytes(12), bytes(27_600_000), bytes(12_300_000_000)], ["12 bytes", "27.6 MB", "12.3 GB"]);
        assert_eq!([seconds(0.42), seconds(42.0), seconds(200.0)], ["0.4 s", "42 s", "3 min 20 s"]);
        assert_eq!([seconds(7500.0), seconds(273_600.0)], ["2 h 5 min", "3 days 4 h"]);
        assert_eq!([brief(0.012_34), brief(1.24), brief(70.0)], ["12.3 ms", "1.24 s", "1 min 10 s"]);
        assert_eq!([signed(0.1234), signed(-0.04), signed(-0.00001)], ["+0.123", "−0.040", "0.000"]);
        assert_eq!([significant(0.001_234), significant(12.0), significant(3011.2)], ["0.00123", "12.0", "3,011"]);
        assert_eq!([significant(1.234e-9), significant(-5e-5)], ["1.2e−9", "−5.0e−5"]);
        assert_eq!([tick(-0.5), tick(20_000.0), tick(0.0)], ["−0.5", "20,000", "0"]);
    }
}

//! Numbers for people: times, sizes, errors, dates.

/// Significant digits: `0.3806`, `12.31`, `104.9`.
pub fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".into();
    }
    let exponent = value.abs().log10().floor() as i32;
    if !(-5..9).contains(&exponent) {
        return exponential(value, digits);
    }
    format!("{value:.*}", (digits - 1 - exponent).max(0) as usize)
}

/// Seconds as milliseconds, four digits.
pub fn milliseconds(seconds: f64) -> String {
    significant(seconds * 1e3, 4)
}

/// `4.7e-6`.
pub fn exponential(value: f64, digits: i32) -> String {
    format!("{value:.*e}", (digits - 1).max(0) as usize)
}

/// An error relative to the largest element; a dash where it is not known.
pub fn error(error: Option<f64>) -> String {
    match error {
        Some(0.0) => "0".into(),
        Some(error) => exponential(error, 2),
        None => "–".into(),
    }
}

/// A size in decimal units: `18.6 MB`.
pub fn bytes(count: f64) -> String {
    let (unit, name) = byte_unit(count);
    if unit == 1.0 { format!("{count:.0} B") } else { format!("{:.1} {name}", count / unit) }
}

/// The decimal unit that sizes up to that one are best told in, and its name.
pub fn byte_unit(most: f64) -> (f64, &'static str) {
    match most {
        most if most >= 1e9 => (1e9, "GB"),
        most if most >= 1e6 => (1e6, "MB"),
        most if most >= 1e3 => (1e3, "kB"),
        _ => (1.0, "B"),
    }
}

/// The unit that times up to that many seconds are best told in, and its name.
pub fn time_unit(most: f64) -> (f64, &'static str) {
    match most {
        most if most >= 2.0 * 3600.0 => (3600.0, "h"),
        most if most >= 120.0 => (60.0, "min"),
        _ => (1.0, "s"),
    }
}

/// A span of time: `52 s`, `20.5 min`, `8.0 h`.
pub fn duration(seconds: f64) -> String {
    let (unit, name) = time_unit(seconds);
    if unit == 1.0 { format!("{seconds:.0} s") } else { format!("{:.1} {name}", seconds / unit) }
}

/// A number of things: `1 trial`, `2,048 trials`.
pub fn count(number: usize, one: &str) -> String {
    format!("{} {one}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// A number with its thousands apart: `2,048`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds since the epoch as a date in UTC, to the minute: `2026-11-25 20:35`.
pub fn date(seconds: f64) -> String {
    const DAY: u64 = 86_400;
    // Up to the end of the year 9999.
    if !(0.0..253_402_300_800.0).contains(&seconds) {
        return "unknown".into();
    }
    let (mut days, minutes) = (seconds as u64 / DAY, seconds as u64 % DAY / 60);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02} {:02}:{:02}", days + 1, minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(significant(0.380_62, 4), "0.3806");
        assert_eq!(significant(104.92, 4), "104.9");
        assert_eq!(significant(123_456.0, 3), "123456");
        assert_eq!(significant(1e-9, 3), "1.00e-9");
        assert_eq!((significant(0.0, 3), significant(f64::NAN, 3)), ("0".into(), "0".into()));
        assert_eq!((bytes(999.0), bytes(18_614_167.0)), ("999 B".into(), "18.6 MB".into()));
        assert_eq!(
            (duration(52.4), duration(1_230.0), duration(28_800.0)),
            ("52 s".into(), "20.5 min".into(), "8.0 h".into())
        );
        assert_eq!((error(Some(4.71e-6)), error(Some(0.0)), error(None)), ("4.7e-6".into(), "0".into(), "–".into()));
        assert_eq!((count(1, "trial"), count(1_234_567, "trial")), ("1 trial".into(), "1,234,567 trials".into()));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0.0), "1970-01-01 00:00");
        assert_eq!(date(951_782_400.0), "2000-02-29 00:00");
        assert_eq!(date(1_795_638_849.7), "2026-11-25 20:34");
        assert_eq!(date(253_402_300_799.0), "9999-12-31 23:59");
        for odd in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(date(odd), "unknown");
        }
    }
}

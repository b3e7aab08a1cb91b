//! Sizes of this machine's caches.

/// Size of the data cache of a level, of the first processor, as Linux tells it; `None` where there is none or it is not told.
pub fn cache_bytes(level: u32) -> Option<usize> {
    for index in 0..8 {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}"))
                .map(|text| text.trim().to_string())
        };
        if read("level").ok()?.parse() == Ok(level) && read("type").ok()? != "Instruction" {
            let size = read("size").ok()?;
            let (digits, unit) = size.split_at(size.find(|c: char| !c.is_ascii_digit()).unwrap_or(size.len()));
            let scale = match unit {
                "K" => 1 << 10,
                "M" => 1 << 20,
                _ => 1,
            };
            return digits.parse::<usize>().ok().map(|n| n * scale);
        }
    }
    None
}

//! The known name that a mistyped one was meant to be.

/// The name that differs least from `written`, if it differs by at most a third of its letters.
pub(crate) fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= name.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        let keys = ["search", "flash_distillation", "seed", "KL"];
        assert_eq!(nearest("serch", keys), Some("search"));
        assert_eq!(nearest("Flash_distilation", keys), Some("flash_distillation"));
        assert_eq!(nearest("kl", keys), Some("KL"));
        assert_eq!(nearest("temperature", keys), None);
    }
}

//! Text as YAML scalars that no reader takes for anything else.

/// A double-quoted YAML scalar; it is a JSON string too.
pub(crate) fn quoted(text: &str) -> String {
    let mut scalar = String::from('"');
    for character in text.chars() {
        match character {
            '"' => scalar += "\\\"",
            '\\' => scalar += "\\\\",
            '\n' => scalar += "\\n",
            '\t' => scalar += "\\t",
            '\r' => scalar += "\\r",
            // YAML reads these as line breaks or refuses them, so they are spelled out.
            other if other.is_control() || matches!(other, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                scalar += &format!("\\u{:04x}", u32::from(other));
            }
            other => scalar.push(other),
        }
    }
    scalar + "\""
}

/// A number; NaN and infinities in YAML's spelling.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        ".nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { ".inf" } else { "-.inf" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use saphyr::LoadableYamlNode;

    fn read(scalar: &str) -> saphyr::YamlOwned {
        let text = format!("key: {scalar}\n");
        saphyr::YamlOwned::load_from_str(&text).unwrap()[0].as_mapping_get("key").unwrap().clone()
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_the_same(text in any::<String>()) {
            let back = read(&quoted(&text));
            prop_assert_eq!(back.as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn words_that_yaml_would_convert_stay_words() {
        for text in ["no", "null", "1e3", "- item", "a: b # c", "!!python/object", "&anchor", ""] {
            assert_eq!(read(&quoted(text)).as_str(), Some(text));
        }
    }

    #[test]
    fn numbers_keep_their_value() {
        assert_eq!([number(0.82), number(5.0), number(f64::NAN)], ["0.82", "5.0", ".nan"]);
    }
}

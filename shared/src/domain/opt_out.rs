//! Words by which a member asks for no more text messages, as carriers and providers know them: T, TD, N, R, 退订.

/// The words, folded.
const WORDS: [&str; 12] = ["T", "TD", "N", "R", "Q", "0000", "STOP", "UNSUBSCRIBE", "退订", "退", "拒收", "取消订阅"];

/// Whether a text that came back asks for no more. Case, spaces, full width and what stands around a word don't
/// matter; a word inside a sentence is no word.
#[must_use]
pub fn asks_for_no_more(text: &str) -> bool {
    let folded = text.chars().map(narrow).filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase);
    let folded: String = folded.take(20).collect();
    WORDS.contains(&folded.as_str())
}

/// A character of full width as the one of half width.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_is_known_however_it_is_typed() {
        for word in [
            "T",
            "t",
            " td ",
            "Ｔ",
            "ｔｄ",
            "T D",
            "N",
            "n.",
            "R",
            "“R”",
            "退订",
            "退 订！",
            "【退订】",
            "退\u{3000}订\n",
        ] {
            assert!(asks_for_no_more(word), "{word}");
        }
    }

    #[test]
    fn a_word_inside_a_sentence_is_no_word() {
        for word in ["", "好的", "TT", "tdr", "怎么退订", "T恤什么时候到", "Nice", "谢谢", "R2", "我要退货"]
        {
            assert!(!asks_for_no_more(word), "{word}");
        }
    }

    proptest! {
        #[test]
        fn spaces_case_and_width_change_nothing(word in prop::sample::select(WORDS.to_vec()), spaces in "[ \u{3000}\t.]{0,5}") {
            let wide: String = word.chars().map(|c| match c {
                '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap(),
                other => other,
            }).collect();
            for form in [word.to_lowercase(), wide, format!("{spaces}{word}{spaces}")] {
                prop_assert!(asks_for_no_more(&form), "{}", form);
            }
        }

        #[test]
        fn garbage_is_judged_without_a_panic(text in "\\PC{0,100}") {
            let _ = asks_for_no_more(&text);
        }
    }
}

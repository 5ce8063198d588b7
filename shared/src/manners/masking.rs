//! Masking: as much of a person's data as staff need to be sure whom they speak to, and no more.
//!
//! Phones and birthdays mask themselves ([`crate::values::Phone::masked`], [`crate::values::Birthday::masked`]).

/// A name's first character: `张*`.
#[must_use]
pub fn name(name: &str) -> String {
    name.chars().take(1).chain(['*']).collect()
}

/// The last four characters of an id that has more of them: `****x1Yz`.
#[must_use]
pub fn id(id: &str) -> String {
    let shown = if id.chars().count() > 4 { id.char_indices().rev().nth(3) } else { None };
    let tail = shown.and_then(|(place, _)| id.get(place..)).unwrap_or_default();
    format!("****{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shows_its_first_character() {
        assert_eq!(name("张小明"), "张*");
        assert_eq!(name("李"), "李*");
        assert_eq!(name("Alice"), "A*");
    }

    #[test]
    fn an_id_shows_its_last_four_characters_unless_that_is_all_of_it() {
        assert_eq!(id("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"), "****eS6o");
        assert_eq!(id("00001"), "****0001");
        assert_eq!(id("0001"), "****");
        assert_eq!(id(""), "****");
    }
}

//! Money and points: integers that cannot be negative, fractional or absurd.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Deserializer, Serialize};

use super::Invalid;

/// Reads a whole number that is written without fraction or exponent, and within bounds.
///
/// A binary format has no other way to write one; in JSON `1.0` and `1e3` are refused, so that no client
/// learns to rely on rounding.
fn whole<'de, D: Deserializer<'de>>(deserializer: D, least: u64, most: u64, wanted: Invalid) -> Result<u64, D::Error> {
    struct Whole;
    impl serde::de::Visitor<'_> for Whole {
        type Value = Option<u64>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }
        fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(number))
        }
        fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
            Ok(u64::try_from(number).ok())
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    let number = if deserializer.is_human_readable() {
        deserializer.deserialize_any(Whole)?
    } else {
        deserializer.deserialize_u64(Whole)?
    };
    number.filter(|n| (least..=most).contains(n)).ok_or_else(|| serde::de::Error::custom(wanted))
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, most $most:literal, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = u64)]
        pub struct $name(u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// The most that one request may name.
            pub const MOST: Self = Self($most);

            /// A quantity that a request may name.
            pub const fn new(number: u64) -> Result<Self, Invalid> {
                if number <= $most { Ok(Self(number)) } else { Err(Invalid($wanted)) }
            }

            /// A quantity that was computed, whatever its size.
            #[must_use]
            pub const fn computed(number: u64) -> Self {
                Self(number)
            }

            /// The plain number.
            #[must_use]
            pub const fn number(self) -> u64 {
                self.0
            }

            /// Whether this is nothing.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }

            /// What is left after taking `other` away; `None` when there is not enough.
            #[must_use]
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }

            /// What is left after taking away as much of `other` as there is.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        /// Sums can't overflow in practice: 2^64 is more than a hundred million requests of the largest size.
        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self::ZERO, Add::add)
            }
        }
    };
}

quantity! {
    /// Money in fen, the hundredth part of a yuan (or of the programme's own currency).
    Fen, most 100_000_000_000, "a whole number of fen from 0 to 100000000000"
}

quantity! {
    /// Loyalty points.
    Points, most 1_000_000_000, "a whole number of points from 0 to 1000000000"
}

impl Fen {
    /// So many yuan.
    #[must_use]
    pub const fn yuan(yuan: u64) -> Self {
        Self(yuan.saturating_mul(100))
    }
}

impl<'de> Deserialize<'de> for Fen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let most = if deserializer.is_human_readable() { Self::MOST.0 } else { u64::MAX };
        whole(deserializer, 0, most, Invalid("a whole number of fen from 0 to 100000000000")).map(Self)
    }
}

impl Fen {
    /// Reads a stored total, which may have grown beyond what one request may name.
    pub fn read_total<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole(deserializer, 0, u64::MAX, Invalid("a whole number of fen")).map(Self)
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Stored totals may grow beyond what one request may name.
        whole(deserializer, 0, u64::MAX, Invalid("a whole number of points")).map(Self)
    }
}

/// Points that a request wants to move: 1 to 1,000,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = u64, minimum = 1, maximum = 1_000_000_000)]
pub struct SomePoints(Points);

impl SomePoints {
    const WANTED: Invalid = Invalid("a whole number of points from 1 to 1000000000");

    /// Points that can be moved: at least one.
    pub fn new(number: u64) -> Result<Self, Invalid> {
        match Points::new(number) {
            Ok(points) if !points.is_zero() => Ok(Self(points)),
            _ => Err(Self::WANTED),
        }
    }

    /// The points.
    #[must_use]
    pub const fn points(self) -> Points {
        self.0
    }
}

impl<'de> Deserialize<'de> for SomePoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole(deserializer, 1, Points::MOST.0, Self::WANTED).map(|n| Self(Points(n)))
    }
}

/// Money that a request wants to move: at least one fen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = u64, minimum = 1, maximum = 100_000_000_000u64)]
pub struct SomeFen(Fen);

impl SomeFen {
    const WANTED: Invalid = Invalid("a whole number of fen from 1 to 100000000000");

    /// Money that can be moved: at least one fen.
    pub fn new(number: u64) -> Result<Self, Invalid> {
        match Fen::new(number) {
            Ok(fen) if !fen.is_zero() => Ok(Self(fen)),
            _ => Err(Self::WANTED),
        }
    }

    /// The money.
    #[must_use]
    pub const fn fen(self) -> Fen {
        self.0
    }
}

impl<'de> Deserialize<'de> for SomeFen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole(deserializer, 1, Fen::MOST.0, Self::WANTED).map(|n| Self(Fen(n)))
    }
}

/// `amount * times / over`, rounded down, exact for any operands; `u64::MAX` when it doesn't fit or `over` is zero.
#[must_use]
pub fn share(amount: u64, times: u64, over: u64) -> u64 {
    let product = u128::from(amount) * u128::from(times);
    product.checked_div(u128::from(over)).and_then(|q| u64::try_from(q).ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_whole_number_within_bounds_or_refused() {
        for good in ["0", "1177", "100000000000"] {
            assert!(serde_json::from_str::<Fen>(good).is_ok(), "{good}");
        }
        for bad in ["-1", "1.5", "1.0", "1e3", "100000000001", "\"5\"", "null", "18446744073709551616"] {
            assert!(serde_json::from_str::<Fen>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn points_to_move_are_at_least_one() {
        for bad in ["0", "-5", "0.5", "1000000001"] {
            assert!(serde_json::from_str::<SomePoints>(bad).is_err(), "{bad}");
        }
        assert_eq!(serde_json::from_str::<SomePoints>("1").unwrap().points(), Points(1));
    }

    #[test]
    fn a_share_is_rounded_down_and_never_overflows() {
        assert_eq!(share(100, 1, 3), 33);
        assert_eq!(share(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(share(5, 1, 0), u64::MAX);
    }
}

//! Amounts of money.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount in micro-dollars: millionths of a US dollar, whole, so that sums are exact. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroDollars(pub u64);

/// A text that is not an amount of dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount of dollars is a number from 0 to 1,000,000 with at most six decimals, such as 2.50")]
pub struct InvalidAmount;

const MICROS: u64 = 1_000_000;

impl MicroDollars {
    /// The difference, or zero where it would be negative.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The amount in dollars, for JSON that has a number (`costUsd`). Not for calculations.
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / MICROS as f64
    }

    /// Rounds to the nearest micro-dollar.
    ///
    /// # Errors
    /// When `dollars` is negative, not a number, or more than a million.
    pub fn from_dollars(dollars: f64) -> Result<Self, InvalidAmount> {
        if !(0.0..=1_000_000.0).contains(&dollars) {
            return Err(InvalidAmount);
        }
        Ok(Self((dollars * MICROS as f64).round() as u64))
    }
}

impl fmt::Display for MicroDollars {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micros) = (self.0 / MICROS, self.0 % MICROS);
        let text = if micros % 10_000 == 0 {
            format!("${whole}.{:02}", micros / 10_000)
        } else {
            format!("${whole}.{micros:06}")
        };
        formatter.pad(&text)
    }
}

impl FromStr for MicroDollars {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        Self::from_dollars(text.trim().trim_start_matches('$').parse().map_err(|_| InvalidAmount)?)
    }
}

impl Add for MicroDollars {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for MicroDollars {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for MicroDollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

//! Money, in whole micro-dollars, so that sums are exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount in millionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroDollars(pub u64);

/// A text that is not an amount of dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount of dollars is a number from 0 to 1,000,000 with at most six decimals, such as 2.50")]
pub struct InvalidAmount;

const MICROS: u64 = 1_000_000;

impl MicroDollars {
    /// What is left of this after `other`, never below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The amount in dollars, for views that want a number (`maxCostUsd`, `costUsd`).
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / MICROS as f64
    }

    /// An amount given as a number of dollars. Refuses what is no such amount: negative, not finite, beyond a million.
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

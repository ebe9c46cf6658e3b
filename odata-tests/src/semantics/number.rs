//! Exact decimals, as far as the expressions need them.

use std::cmp::Ordering;

/// `units / 10^scale`.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// From units and scale: 125 and 2 are 1.25.
    pub fn new(units: i128, scale: u32) -> Decimal {
        Decimal { units, scale }
    }

    /// The sum.
    pub fn plus(self, other: Decimal) -> Decimal {
        let scale = self.scale.max(other.scale);
        Decimal::new(self.at(scale) + other.at(scale), scale)
    }

    /// The product.
    pub fn times(self, other: Decimal) -> Decimal {
        Decimal::new(self.units * other.units, self.scale + other.scale)
    }

    /// With the other sign.
    pub fn negated(self) -> Decimal {
        Decimal::new(-self.units, self.scale)
    }

    /// The largest whole number that is not larger.
    pub fn floor(self) -> Decimal {
        Decimal::new(self.units.div_euclid(10i128.pow(self.scale)), 0)
    }

    /// The nearest whole number, of two the even one (FLT-60).
    pub fn round(self) -> Decimal {
        let below = self.floor();
        let twice = self.plus(below.negated()).times(Decimal::new(2, 0));
        let up = match twice.cmp(&Decimal::new(1, 0)) {
            Ordering::Less => 0,
            Ordering::Equal => below.units.rem_euclid(2),
            Ordering::Greater => 1,
        };
        Decimal::new(below.units + up, 0)
    }

    fn at(self, scale: u32) -> i128 {
        self.units * 10i128.pow(scale - self.scale)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        let scale = self.scale.max(other.scale);
        self.at(scale).cmp(&other.at(scale))
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, units) = (if self.units < 0 { "-" } else { "" }, self.units.unsigned_abs());
        let unit = 10u128.pow(self.scale);
        if self.scale == 0 {
            return write!(f, "{sign}{units}");
        }
        write!(f, "{sign}{}.{:0width$}", units / unit, units % unit, width = self.scale as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (units, scale, text, floor, round) in [
            (250, 2, "2.50", 2, 2),
            (-250, 2, "-2.50", -3, -2),
            (35, 1, "3.5", 3, 4),
            (-1, 2, "-0.01", -1, 0),
            (7, 0, "7", 7, 7),
        ] {
            let decimal = Decimal::new(units, scale);
            assert_eq!(decimal.to_string(), text);
            assert_eq!(
                (decimal.floor(), decimal.round()),
                (Decimal::new(floor, 0), Decimal::new(round, 0)),
                "{text}"
            );
        }
        assert_eq!(Decimal::new(250, 2), Decimal::new(25, 1));
        assert!(Decimal::new(-1, 3) < Decimal::new(0, 0));
    }
}

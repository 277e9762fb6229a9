//! The calendar of one processor: the ticks of all its expressions, in one zone.

use jiff::Zoned;

use super::Zone;
use super::expression::Expression;
use crate::model::UnixMicros;
use crate::model::processor::Schedule;

/// Several expressions; each instant counts once.
#[derive(Clone, Debug)]
pub struct Calendar {
    expressions: Vec<Expression>,
    zone: Zone,
}

impl Calendar {
    /// Reads the expressions; the error is that of the first that cannot be read.
    pub fn new<'a>(expressions: impl IntoIterator<Item = &'a str>, zone: Zone) -> Result<Self, String> {
        let expressions = expressions.into_iter().map(Expression::parse).collect::<Result<_, _>>()?;
        Ok(Self { expressions, zone })
    }

    /// The mistake in one expression, if there is one.
    pub fn check(expression: &str) -> Result<(), String> {
        Expression::parse(expression).map(drop)
    }
}

impl Schedule for Calendar {
    fn after(&self, at: UnixMicros) -> Option<UnixMicros> {
        let at = at.to_timestamp();
        let first = self.expressions.iter().filter_map(|expression| expression.after(&self.zone.rules, at)).min();
        first.map(UnixMicros::from_timestamp)
    }

    fn until(&self, at: UnixMicros) -> Option<UnixMicros> {
        let at = at.to_timestamp();
        let last = self.expressions.iter().filter_map(|expression| expression.until(&self.zone.rules, at)).max();
        last.map(UnixMicros::from_timestamp)
    }

    fn is_moved(&self, tick: UnixMicros) -> bool {
        let civil = self.zoned(tick).datetime();
        !self.expressions.iter().any(|expression| expression.matches(civil))
    }

    fn zoned(&self, at: UnixMicros) -> Zoned {
        at.to_timestamp().to_zoned(self.zone.rules.clone())
    }
}

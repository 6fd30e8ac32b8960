use serde_json::Value;

use super::fields::Fields;
use crate::{path::Path, problem::Problem, rfc3339};

/// A Choice state: the first branch whose rule holds decides what follows.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) branches: Vec<Branch>,
    pub(crate) default: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) rule: Rule,
    pub(crate) next: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Rule {
    And(Vec<Rule>),
    Or(Vec<Rule>),
    Not(Box<Rule>),
    Test { variable: Path, test: Test },
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Compare {
        comparison: Comparison,
        relation: Relation,
        operand: Operand,
    },
    /// `StringMatches`: a pattern in which `*` stands for any text.
    Matches(String),
    Type {
        test: TypeTest,
        expected: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Comparison {
    String,
    Numeric,
    Boolean,
    Timestamp,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Relation {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Literal(Value),
    Read(Path),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum TypeTest {
    Present,
    Null,
    String,
    Numeric,
    Boolean,
    Timestamp,
}

impl Choice {
    pub(super) fn targets(&self) -> Vec<(String, &str)> {
        let branches = self.branches.iter().enumerate();
        branches
            .map(|(index, branch)| (format!("Choices[{index}].Next"), branch.next.as_str()))
            .chain(self.default.iter().map(|next| ("Default".to_owned(), next.as_str())))
            .collect()
    }

    pub(super) fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        if !fields.has("Choices") {
            fields.report("Choices", Problem::Missing);
        }
        let choices = fields.list("Choices");
        let default = fields.string("Default").map(str::to_owned);
        let choices = choices?;
        if choices.is_empty() {
            fields.report("Choices", Problem::Empty);
        }
        let branches: Vec<_> = choices
            .iter()
            .enumerate()
            .map(|(index, choice)| {
                let mut rule = fields.inner(&format!("Choices[{index}]"), choice)?;
                let next = rule.require_string("Next");
                let rule = parse_rule(rule);
                Some(Branch { rule: rule?, next: next?.to_owned() })
            })
            .collect();
        let branches = branches.into_iter().collect::<Option<_>>()?;
        Some(Self { branches, default })
    }
}

fn parse_rule(mut fields: Fields<'_>) -> Option<Rule> {
    fields.take("Comment");
    let rule = if let Some(rules) = fields.list("And") {
        parse_rules(&fields, "And", rules).map(Rule::And)
    } else if let Some(rules) = fields.list("Or") {
        parse_rules(&fields, "Or", rules).map(Rule::Or)
    } else if let Some(rule) = fields.take("Not") {
        let rule = fields.inner("Not", rule).and_then(parse_rule);
        rule.map(|rule| Rule::Not(Box::new(rule)))
    } else {
        parse_test(&mut fields)
    };
    fields.close();
    rule
}

fn parse_rules<'a>(fields: &Fields<'a>, name: &str, rules: &'a [Value]) -> Option<Vec<Rule>> {
    if rules.is_empty() {
        fields.report(name, Problem::Empty);
    }
    let inner = |(index, rule)| fields.inner(&format!("{name}[{index}]"), rule);
    let rules: Vec<_> = rules.iter().enumerate().map(inner).map(|rule| parse_rule(rule?)).collect();
    rules.into_iter().collect()
}

fn parse_test(fields: &mut Fields<'_>) -> Option<Rule> {
    let variable = fields.require_string("Variable");
    let variable = variable.and_then(|text| fields.checked("Variable", Path::parse(text)));
    let mut operators = fields.take_rest().into_iter();
    let Some((operator, operand)) = operators.next() else {
        fields.report("", Problem::Missing);
        return None;
    };
    for (another, _) in operators {
        fields.report(another, Problem::Conflict(operator.to_owned()));
    }
    let test = fields.checked(operator, Test::parse(operator, operand));
    Some(Rule::Test { variable: variable?, test: test? })
}

impl Test {
    fn parse(operator: &str, operand: &Value) -> Result<Self, Problem> {
        if let Some(test) = TypeTest::parse(operator) {
            let expected = operand.as_bool().ok_or(Problem::WrongType("true or false"))?;
            return Ok(Self::Type { test, expected });
        }
        if operator == "StringMatches" {
            let pattern = operand.as_str().ok_or(Problem::WrongType("a string"))?;
            return Ok(Self::Matches(pattern.to_owned()));
        }
        let (name, is_path) = match operator.strip_suffix("Path") {
            Some(name) => (name, true),
            None => (operator, false),
        };
        let (comparison, relation) =
            parse_comparison(name).ok_or_else(|| Problem::UnsupportedOperator(operator.to_owned()))?;
        let operand = if is_path {
            Operand::Read(Path::parse(operand.as_str().ok_or(Problem::WrongType("a path"))?)?)
        } else {
            comparison.check(operand)?;
            Operand::Literal(operand.clone())
        };
        Ok(Self::Compare { comparison, relation, operand })
    }
}

fn parse_comparison(operator: &str) -> Option<(Comparison, Relation)> {
    let comparisons = [
        ("String", Comparison::String),
        ("Numeric", Comparison::Numeric),
        ("Boolean", Comparison::Boolean),
        ("Timestamp", Comparison::Timestamp),
    ];
    let (comparison, relation) =
        comparisons.into_iter().find_map(|(prefix, kind)| Some((kind, operator.strip_prefix(prefix)?)))?;
    let relation = match (comparison, relation) {
        (_, "Equals") => Relation::Equals,
        // Booleans have no order.
        (Comparison::Boolean, _) => return None,
        (_, "LessThan") => Relation::LessThan,
        (_, "LessThanEquals") => Relation::LessThanEquals,
        (_, "GreaterThan") => Relation::GreaterThan,
        (_, "GreaterThanEquals") => Relation::GreaterThanEquals,
        _ => return None,
    };
    Some((comparison, relation))
}

impl Comparison {
    /// Checks the type of a literal operand.
    fn check(self, operand: &Value) -> Result<(), Problem> {
        let (fits, expected) = match self {
            Self::String => (operand.is_string(), "a string"),
            Self::Numeric => (operand.is_number(), "a number"),
            Self::Boolean => (operand.is_boolean(), "true or false"),
            Self::Timestamp => (operand.as_str().and_then(rfc3339::parse).is_some(), "an RFC 3339 timestamp"),
        };
        if fits { Ok(()) } else { Err(Problem::WrongType(expected)) }
    }
}

impl TypeTest {
    fn parse(operator: &str) -> Option<Self> {
        Some(match operator {
            "IsPresent" => Self::Present,
            "IsNull" => Self::Null,
            "IsString" => Self::String,
            "IsNumeric" => Self::Numeric,
            "IsBoolean" => Self::Boolean,
            "IsTimestamp" => Self::Timestamp,
            _ => return None,
        })
    }
}
